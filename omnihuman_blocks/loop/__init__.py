"""A background event loop for thousands of waiting tasks: its thread, futures, what they share."""

"""From two tables to a results folder: `preparing` plans, `batches` walk, `concluding` writes.

`making` does it inside a Prefect flow; `frames` is for notebooks.
"""

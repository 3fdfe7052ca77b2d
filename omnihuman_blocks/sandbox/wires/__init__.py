"""One vendor, one wire: requests in, that vendor's own answers out."""

"""One job's walk, without Prefect: from whom it is bought, with what, and step by step to its end.

`walker` is the way itself; `buying`, `waiting` and `fetching` are its steps; `house`, `gate` and
`asking` are what the jobs of one event loop share; `order`, `accounts` and `opening` lead there.
"""

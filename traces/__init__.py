"""What was measured, and what was made of it: tables with a typed schema in Parquet files.

`schema` says what each kind of file holds, `store` writes and reads them, `check` looks into a
user's files, `workers` runs the many independent jobs that fill them.
"""

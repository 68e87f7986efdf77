"""The handover pack: the accepted rows with everything that is needed to check them, in one folder.

layout      the names that a pack's files may have
shards      tables as Parquet files: streamed out, read back with bounds
splits      which accepted rows stand in which split
counts      the figures of a pack, counted from its lineage records and rows
gate_log    what was measured of the gates beside their verdicts
statement   the signature of a pack, and what it says
write       a run as a pack, signed
card        the dataset card; figures and markdown: its parts; croissant: the same in MLCommons' vocabulary
verify      all of a pack, or one row, against the signature
trace       where one row of a run or a pack comes from
hub         a verified pack as a dataset repository
"""

"""The handover pack: the accepted rows with everything that is needed to check them, in one folder.

layout     the names that a pack's files may have
locks      what a pack reads of a run's recipe and gate locks
splits     which accepted rows stand in which split
judged     a judged run: every row with its verdicts and decision
shards     tables as Parquet files: streamed out, read back with bounds
measures   what was measured of the gates beside their verdicts
counts     the figures of a pack, counted from its lineage records and rows
write      a run as a pack, signed
card       the dataset card; markdown and card_figures: its parts
croissant  the same in MLCommons' vocabulary
seal       the signature of a pack, and what it says
files      the files against the signature
contents   the tables against the signature
statements what the pack states of itself, against its tables
row_ids    one row of many by the start of its id
wording    rows and verdicts in words, for a terminal
verify     all of that for a pack, or for one row
trace      where one row of a run or a pack comes from
hub        a verified pack as a dataset repository
"""

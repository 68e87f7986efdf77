"""Runs generated Python against its tests where neither can read, write, reach or outlive anything.

`room` is what callers use: limits in, an outcome out. `zygote` is the process that it starts: it builds the
room once and forks a fresh child for each run. `confine` is the room (namespaces, a root of its own, limits),
`filters` what the kernel refuses inside (Landlock, seccomp), `syscalls` their numbers, and `program` what the
child does: load the solution, then run the tests. The last five use the standard library alone.
"""

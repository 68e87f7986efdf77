"""Runs generated code against its tests where neither can read, write, reach or outlive anything.

`room` is what callers use: limits in, an outcome out. `zygote` is the process that it starts: it builds the
room once and starts two children for each run. `confine` is the room (namespaces, a root of its own, limits),
`filters` what the kernel refuses inside (Landlock, seccomp), `syscalls` their numbers. `program` is what the
children do: one holds the solution, the other runs the tests, and `peers` is how they talk over a `line`:
`values` are copied, `handles` and `mirrors` stand for what stays, `actions` is what may be asked. All that
the children import uses the standard library alone. `runtimes` finds node, and `node` is what
a child becomes where the code is JavaScript; its programs stand in `javascript/`.
"""

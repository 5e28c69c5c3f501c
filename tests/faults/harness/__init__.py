"""Let every file call of mlcli go wrong, and hold what is left against what was acknowledged.

`inject.c` is preloaded into a process of its own (`launch`), which forks a child for each point (`sweep`): the child
performs a workload (`operations`), each step of which is noted in a journal outside the store (`journal`); a fresh
child then holds the store (`facts`) against the journal (`verdict`).
"""

"""How an output gets its name: whole, or not at all.

An output is written under another name and renamed when it is complete. A job that no later run
can resume writes a hidden temporary. One that can be resumed writes ``OUT.part``, and a journal of
what is done; a job that is one of several shards writes the same ``OUT.part``, with a journal of
its own. `unfinished.Unfinished` owns part and journals, and names their states:

===========  ==========================  ==============================  =========================
state        ``OUT.part``                journals                        what comes next
===========  ==========================  ==============================  =========================
ABSENT       none                        none, or stray: they count      created and locked (BEGUN)
                                         nothing and are removed
BEGUN        written by a run, or of     none                            first note (NOTED); a new
             one killed before its                                       run begins anew
             first note
NOTED        of one run                  ``OUT.part.json``               resumed by the same
                                                                         command, or published
SHARDED      of several jobs             ``OUT.part.I-of-N.json``,       all complete: `merge`
                                         noted, then complete            publishes
PUBLISHED    another name of ``OUT``     any                             part and journals removed
===========  ==========================  ==============================  =========================

A hidden temporary has two states only: it is there and claimed (`temporaries`), or it is published.
Publication is `publishing.publish_file`. Where the system can't rename without replacing, it takes
two steps (link, unlink); PUBLISHED is what a run that is killed between them leaves.

A part, a journal or a lock counts only if it is a regular file of one name that belongs to the user
(`owned`); anything else is refused.
"""

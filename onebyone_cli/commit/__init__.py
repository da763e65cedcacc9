"""Publish outputs: whole, or not at all.

An output is written under another name and renamed when it is complete. A job that can't be
resumed writes a hidden temporary. One that can writes ``OUT.part`` and a journal; a shard writes
the same ``OUT.part`` and a journal of its own. `unfinished.Unfinished` owns part and journals:

===========  ==========================  ==============================  =========================
state        ``OUT.part``                journals                        next
===========  ==========================  ==============================  =========================
ABSENT       none                        none, or stray: ignored and     created and locked (BEGUN)
                                         removed
BEGUN        of a run before its first   none                            first note (NOTED); a new
             note                                                        run empties it
NOTED        of one run                  ``OUT.part.json``               resumed by the same
                                                                         command, or published
SHARDED      of several jobs             ``OUT.part.I-of-N.json``,       all complete: `merge`
                                         noted, then complete            publishes
PUBLISHED    another name of ``OUT``     any                             part and journals removed
===========  ==========================  ==============================  =========================

A hidden temporary is either claimed (`temporaries`) or published. Where the system can't rename
without replacing, publication takes two steps (link, unlink): a run killed between them leaves
PUBLISHED. Only regular files of one name that belong to the user count (`owned`).
"""

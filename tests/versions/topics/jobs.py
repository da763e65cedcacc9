"""Jobs in parts: shards, jobs that are stopped and run again, pipes, many stacks."""

from collections.abc import Iterator

from line import Line

LARGE = "onebyone apply in/large.npy -w in/w.npy"
ALWAYS = "--memory 3M --threads 1 --checkpoint-every 0 -q"

#: Jobs that can be stopped, each with the number of a write in its middle.
STOPPABLE = (
    ("npy", 60, f"onebyone apply in/large.npy -w in/many.npy -o y.npy {ALWAYS}"),
    (
        "two_threads",
        60,
        f"onebyone apply in/large.npy -w in/many.npy -o y.npy {ALWAYS} --threads 2 --memory 6M",
    ),
    ("uint8", 40, f"onebyone apply in/uint8.npy -w in/many.npy --dtype uint8 -o y.npy {ALWAYS}"),
    ("h5", 40, f"onebyone apply in/everything.h5 -w in/many.npy -o y.h5 {ALWAYS}"),
    ("batch", 3, f"onebyone apply in/CHW_batch2_uint8.npy -w in/many.npy -o y.npy {ALWAYS}"),
    ("shard", 9, f"{LARGE} -o y.npy {ALWAYS} --shard 0/1"),
    ("reduce", 3, f"onebyone reduce in/large.npy -k 2 -o y.npy {ALWAYS}"),
    ("gzip", 3, f"{LARGE} --compression gzip -o y.h5 {ALWAYS}"),
    ("each", 9, f"onebyone apply in/large.npy in/scene0.npy --each -w in/w.npy -o y {ALWAYS}"),
)


def lines() -> Iterator[Line]:
    """Yield the lines of this topic."""
    yield from shards()
    yield from resume()
    yield from pipes()
    yield from streams()
    yield from each()
    yield from workers()


def shards() -> Iterator[Line]:
    for name, inputs, output, options in (
        ("npy", "in/float32.npy -w in/w.npy", "y.npy", ""),
        ("npy_uint8", "in/nan.npy -w in/w.npy", "y.npy", "--dtype uint8 --nan-to 0"),
        ("npy_small", "in/large.npy -w in/many.npy", "y.npy", "--memory 3M --threads 1"),
        ("h5", "in/gzip.h5 -w in/w.npy", "y.h5", ""),
        ("h5_dataset", "in/float32.npy -w in/w.npy", "y.h5:/a/b", "--dtype float16"),
        ("batch", "in/CHW_batch_uint8.npy -w in/w.npy", "y.npy", ""),
        ("fortran", "in/HWC_float32_fortran.npy --layout HWC -w in/w.npy", "y.npy", ""),
        ("argmax", "in/int16.npy -w in/w.npy --argmax", "y.npy", ""),
    ):
        for count in (2, 5):
            job = f"onebyone apply {inputs} -o {output} {options} -q --shard"
            parts = [f"{job} {part}/{count}" for part in reversed(range(count))]
            merge = "onebyone merge " + output.partition(":")[0]
            yield Line(f"shards/{name}_{count}", ("; ".join(parts), f"{merge} --json"))
    job = "onebyone apply in/float32.npy -w in/w.npy -o y.npy -q --shard"
    yield Line("shards/missing", (f"{job} 0/3; {job} 2/3", "onebyone merge y.npy; rm *.part*"))
    yield Line("shards/twice", (f"{job} 0/2; {job} 0/2; {job} 1/2", "onebyone merge y.npy"))
    yield Line(
        "shards/other_command",
        (f"{job} 0/2", f"{job} 1/2 --dtype float64", "rm -f *.part*"),
    )
    yield Line("shards/more_than_tiles", ("; ".join(f"{job} {n}/9" for n in range(9)), "onebyone merge y.npy"))  # fmt: skip # noqa: E501
    yield Line("shards/no_share", (f"{job} 2/2",))
    yield Line("shards/auto", (f"SLURM_ARRAY_TASK_ID=0 SLURM_ARRAY_TASK_COUNT=1 SLURM_ARRAY_TASK_MIN=0 SLURM_ARRAY_TASK_MAX=0 SLURM_ARRAY_TASK_STEP=1 {job} auto", "onebyone merge y.npy -q"))  # fmt: skip # noqa: E501
    yield Line("shards/compressed", (f"{job.replace('y.npy', 'y.h5')} 0/2 --compression gzip",))


def stopped(job: str, write: int, signal: str = "SIGTERM") -> str:
    """Return a step that stops a job at a write; it prints the status and counts what is left."""
    how = f"PYTHONPATH=$STOPPING STOP_AT={write} STOP_SIGNAL={signal}"
    return f"{how} {job}; echo status $?; ls -R | grep -c 'part$'; true"


def resume() -> Iterator[Line]:
    for name, write, job in STOPPABLE:
        merge = ("onebyone merge y.npy -q",) if "--shard" in job else ()
        for signal in ("SIGTERM", "SIGKILL"):
            if (name, signal) != ("gzip", "SIGKILL"):  # leaves a file with a random name
                yield Line(f"resume/{name}_{signal}", (stopped(job, write, signal), job, *merge))
    job = f"{LARGE} -o y.npy {ALWAYS}"
    first = stopped(job, 9)
    late = job.replace("every 0", "every 60")
    yield Line("resume/restart", (first, f"{job} {{restart}}"))
    yield Line("resume/off", (stopped(f"{job} --resume off", 9), job))
    yield Line("resume/other_command", (first, f"{job} --dtype float64", "rm *part*"))
    yield Line("resume/twice", (first, stopped(job, 4), job))
    yield Line("resume/other_memory", (first, f"{job} --memory 9M --threads 2"))
    yield Line("resume/info", (first, "onebyone info y.npy.part > /dev/null", job))
    yield Line("resume/before_the_first", (stopped(late, 9), late))


def pipes() -> Iterator[Line]:
    for name in ("float32", "uint8", "bool", "big_f4", "version2", "large"):
        yield Line(f"pipes/{name}", (f"cat in/{name}.npy | onebyone apply - -w in/w.npy -o - -q",))
    for layout in ("HWC", "HCW"):
        for kind in ("_float32", "_uint8_fortran", "_batch2_uint8", "_batch_float32_fortran"):
            yield Line(
                f"pipes/{layout}{kind}",
                (
                    f"cat in/{layout}{kind}.npy"
                    f" | onebyone apply - --layout {layout} -w in/w.npy -o y.npy -q",
                ),
            )
    for name, options in (
        ("fortran", "-o y.npy"),
        ("fortran_to_stdout", "-o -"),
        ("fortran_small", "-o y.npy --memory 3M --threads 1"),
        ("to_h5", "-o y.h5 --compression lzf"),
        ("to_images", "-o y/ --scale auto"),
        ("argmax", "--argmax -o -"),
    ):
        step = f"cat in/CHW_float32_fortran.npy | onebyone apply - -w in/w.npy {options} -q"
        yield Line(f"pipes/{name}", (step,))
    apply = "onebyone apply - -w in/w.npy -q"
    yield Line("pipes/stdout_file", (f"{apply} -o - < in/float32.npy > y.npy",))
    yield Line("pipes/chain", (f"cat in/uint8.npy | {apply} -o - | onebyone apply - -w in/second.npy -o y.h5 -q",))  # fmt: skip # noqa: E501
    yield Line("pipes/named", ("mkfifo p; cat in/float32.npy > p & onebyone apply p -w in/w.npy -o y.npy -q; rm p",))  # fmt: skip # noqa: E501
    yield Line("pipes/substitution", ("onebyone apply <(cat in/one.npy) <(cat in/two.npy) -w in/w.npy -o y.npy -q",))  # fmt: skip # noqa: E501
    yield Line("pipes/named_out", (f"mkfifo p; cat p > y & {apply} -o p --format npy -f < in/float32.npy; wait; rm -f p",))  # fmt: skip # noqa: E501
    yield Line("pipes/cut", (f"head -c 9999 in/float32.npy | {apply} -o y.npy",))
    yield Line("pipes/empty", (f": | {apply} -o y.npy",))
    yield Line("pipes/reduce", ("cat in/float32.npy | onebyone reduce - -k 2 -o - -q",))
    yield Line("pipes/view", ("cat in/float32.npy | onebyone view - --channel 1 -o -",))


def streams() -> Iterator[Line]:
    three = "cat in/scene0.npy in/scene1.npy in/scene2.npy"
    apply = "onebyone apply - --each -w in/w.npy -q"
    yield Line("streams/to_folder", (f"{three} | {apply} -o y",))
    yield Line("streams/to_stdout", (f"{three} | {apply} -o -",))
    yield Line("streams/to_h5", (f"{three} | {apply} -o y --format hdf5",))
    yield Line("streams/types", (f"cat in/uint8.npy in/big_f4.npy in/int64.npy | {apply} -o -",))
    yield Line("streams/fortran", (f"cat in/CHW_float32_fortran.npy in/scene0.npy | {apply} -o y",))
    yield Line("streams/through_two", (f"{three} | {apply} -o - | onebyone apply - --each -w in/second.npy -o y -q",))  # fmt: skip # noqa: E501
    yield Line("streams/cut", (f"{three} | head -c 70000 | {apply} -o y",))
    yield Line("streams/something_else", (f"{{ cat in/scene0.npy; echo end; }} | {apply} -o y",))
    yield Line("streams/fit", (f"{three} | onebyone fit - --each -k 2 -o m.npz -q",))
    yield Line("streams/stats", (f"{three} | onebyone stats - --each -o s.npz --json",))
    raw = "--raw --layout HWC --shape 30,50,5 --dtype-in u1 --dtype uint8"
    yield Line("streams/frames", (f"cat in/frames.raw | {apply} {raw} -o y",))
    yield Line("streams/frames_to_stdout", (f"cat in/frames.raw | {apply} {raw} -o -",))
    yield Line("streams/last_frame_cut", (f"head -c 20000 in/frames.raw | {apply} {raw} -o y",))
    yield Line("streams/files_to_stdout", ("onebyone apply in/scene0.npy in/scene1.npy --each -w in/w.npy -o - -q",))  # fmt: skip # noqa: E501


def each() -> Iterator[Line]:
    scenes = "in/scene0.npy in/scene1.npy in/scene2.npy"
    job = "onebyone apply {} --each -w in/w.npy -o y -q"
    yield Line("each/npy", (job.format(scenes),))
    yield Line("each/formats", (job.format("in/scene0.npy in/gzip.h5 in/bands_png"),))
    yield Line("each/to_h5", (job.format(scenes) + " --format hdf5 --compression gzip",))
    yield Line("each/to_images", (job.format(scenes) + " --scale auto --format png",))
    yield Line("each/existing_folder", ("mkdir y", job.format(scenes)))
    yield Line("each/existing_file", ("mkdir y; touch y/scene1.npy", job.format(scenes)))
    yield Line("each/force", ("mkdir y; touch y/scene1.npy", job.format(scenes) + " -f"))
    yield Line("each/equal_names", (job.format("in/scene0.npy in/./scene0.npy"),))
    yield Line("each/one_missing", (job.format("in/scene0.npy in/none.npy"),))
    yield Line("each/one_of_other_channels", (job.format("in/scene0.npy in/one.npy"),))
    yield Line("each/dataset", (job.format("in/several.h5:/bands/near in/scene0.npy"),))
    yield Line("each/if_changed", (job.format(scenes), job.format(scenes) + " --if-changed"))


def workers() -> Iterator[Line]:
    yield Line(
        "workers/apply", ("onebyone apply in/large.npy -w in/w.npy -o y.npy --workers 2 -q",)
    )
    yield Line("workers/fit", ("onebyone fit in/large.npy -k 3 -o m.npz --workers 2 -q",))

"""Every option that commands share, once. Types are plain: Typer reads them at start-up."""

from typing import Annotated, Literal

import typer

Inputs = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT...",
        help="A .npy or .h5 file (file.h5:/dataset), an image, a folder of images, or - for a "
        ".npy stream on standard input. Several are stacked along the channels (bands).",
        default_factory=list,
        show_default=False,
    ),
]
InputsOrMoments = Annotated[
    list[str],
    typer.Argument(
        metavar="INPUT...",
        help="A .npy or .h5 file (file.h5:/dataset), an image, a folder of images, or - for a "
        ".npy stream on standard input. Several are stacked along the channels (bands). Or "
        "moments that stats has saved: several are joined.",
        default_factory=list,
        show_default=False,
    ),
]
Output = Annotated[
    str,
    typer.Option(
        "-o",
        "--output",
        metavar="OUTPUT",
        help="Where the result goes. The suffix picks the format; a name that ends in / is a "
        "folder of images; - is a .npy stream on standard output.",
        show_default=False,
    ),
]
Force = Annotated[
    bool, typer.Option("-f", "--force", help="Replace an existing output.", show_default=False)
]
IfChanged = Annotated[
    bool,
    typer.Option(
        "--if-changed",
        help="Replace an existing output only if its bytes would be others; else it is left "
        "alone, with its time of modification.",
        show_default=False,
    ),
]
DepFile = Annotated[
    str,
    typer.Option(
        "--depfile",
        metavar="FILE",
        help="Write a rule for make as well: OUTPUT depends on all files that were read.",
        show_default=False,
    ),
]
InputsFrom = Annotated[
    str,
    typer.Option(
        "--inputs-from",
        metavar="FILE",
        help="Read more names of inputs from a file, or from standard input (-): one a line, or "
        "each ended by NUL, as find -print0 does.",
        show_default=False,
    ),
]
FormatName = Annotated[
    str,
    typer.Option(
        "--format",
        metavar="NAME",
        help="Format of the output, whatever its name: npy, hdf5, png, tiff, jpeg, bmp, pgm, "
        "ppm, pfm.",
        show_default=False,
    ),
]
Layout = Annotated[
    Literal["CHW", "HWC", "HCW"],
    typer.Option("--layout", help="Order of the last three axes in the input."),
]
Raw = Annotated[
    bool,
    typer.Option(
        "--raw",
        help="Inputs are numbers without a header, in files or pipes of any name; say with "
        "--shape and --dtype-in what they are.",
        show_default=False,
    ),
]
Shape = Annotated[
    str,
    typer.Option(
        "--shape",
        metavar="SIZES",
        help="For --raw: the sizes of each input in the order of --layout, as in 50,600,600; "
        "those before the last three are a batch.",
        show_default=False,
    ),
]
DTypeIn = Annotated[
    str,
    typer.Option(
        "--dtype-in",
        metavar="TYPE",
        help="For --raw: the type of the numbers, such as f4 or float32, u1 or uint8; with > "
        "before it the byte order is big-endian.",
        show_default=False,
    ),
]
DType = Annotated[
    str,
    typer.Option(
        "--dtype",
        metavar="TYPE",
        help="Type of the output, such as float16, uint8 or int32. Integers are rounded half to "
        "even and saturate. Default: the type of the arithmetic.",
        show_default=False,
    ),
]
Compute = Annotated[
    Literal["auto", "float32", "float64"],
    typer.Option(
        "--compute",
        help="Type of the arithmetic. auto is float32 where it holds every input value exactly, "
        "else float64.",
    ),
]
NoData = Annotated[
    str,
    typer.Option(
        "--nodata",
        metavar="VALUE",
        help="Pixels with this value in any channel are invalid, as those with NaN are: every "
        "output channel gets it.",
        show_default=False,
    ),
]
NanTo = Annotated[
    str,
    typer.Option(
        "--nan-to",
        metavar="VALUE",
        help="What NaN becomes in the output.",
        show_default=False,
    ),
]
NoDataInLearning = Annotated[
    str,
    typer.Option(
        "--nodata",
        metavar="VALUE",
        help="Leave out what has this value, as NaN is left out.",
        show_default=False,
    ),
]
Scale = Annotated[
    str,
    typer.Option(
        "--scale",
        metavar="auto|MIN,MAX",
        help="Map a range onto the whole range of the integer output (uint8 unless --dtype); auto "
        "is the range of the result.",
        show_default=False,
    ),
]
Memory = Annotated[
    str,
    typer.Option(
        "--memory",
        metavar="SIZE",
        help="Most memory for pixels, caches and decoders together, as in 256M or 2G. Default: "
        "the smaller of 256M and half of what the machine allows.",
        show_default=False,
    ),
]
Threads = Annotated[
    int | None,
    typer.Option(
        "--threads",
        metavar="N",
        help="Most worker threads. Default: the processors this process may use.",
        show_default=False,
    ),
]
Resume = Annotated[
    Literal["auto", "off"],
    typer.Option(
        "--resume",
        help="auto: a long job that is stopped leaves OUTPUT.part and a journal, and the same "
        "command goes on from there (.npy, and .h5 without compression); off: it leaves nothing.",
    ),
]
Restart = Annotated[
    bool,
    typer.Option(
        "--restart", help="Discard what a stopped job has left, and begin anew.", show_default=False
    ),
]
CheckpointEvery = Annotated[
    float,
    typer.Option(
        "--checkpoint-every",
        metavar="SECONDS",
        min=0,
        help="Time from one checkpoint to the next; jobs that are stopped before the first leave "
        "nothing. 0 notes everything at once.",
    ),
]
RequeueExitCode = Annotated[
    int | None,
    typer.Option(
        "--requeue-exit-code",
        metavar="N",
        min=1,
        max=125,
        help="Exit status after SIGTERM, SIGUSR1 or SIGXCPU with a checkpoint, for a batch system "
        "that requeues on one of its own. Default: 75.",
        show_default=False,
    ),
]
ShardOf = Annotated[
    str,
    typer.Option(
        "--shard",
        metavar="I/N|auto",
        help="Compute share I of N, counting from 0, straight into OUTPUT.part; auto asks the "
        "array of Slurm, PBS or SGE. When all are done: onebyone merge OUTPUT.",
        show_default=False,
    ),
]
StatsShard = Annotated[
    str,
    typer.Option(
        "--shard",
        metavar="I/N|auto",
        help="Look at share I of N of every input, counting from 0, and save its moments with -o; "
        "auto asks the array of Slurm, PBS or SGE.",
        show_default=False,
    ),
]
Scheduler = Annotated[
    str,
    typer.Option(
        "--scheduler",
        metavar="ADDRESS",
        help="Have shards computed by the workers of a Dask cluster, as in tcp://host:8786. They "
        "must see the same files. Each shard has --memory and one thread, or --threads.",
        show_default=False,
    ),
]
SchedulerFile = Annotated[
    str,
    typer.Option(
        "--scheduler-file",
        metavar="FILE",
        help="The same; the address is in this file, which dask scheduler or dask-mpi has left.",
        show_default=False,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        help="The same with N processes on this machine, which share its processors.",
        show_default=False,
    ),
]
DryRun = Annotated[
    bool,
    typer.Option(
        "--dry-run", help="Check everything, show the plan, write nothing.", show_default=False
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", help="Print one JSON document on standard output.", show_default=False),
]
Quiet = Annotated[
    bool, typer.Option("-q", "--quiet", help="Say nothing but errors.", show_default=False)
]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Say more.", show_default=False)]
ShowProgress = Annotated[
    bool | None,
    typer.Option(
        "--progress/--no-progress",
        help="Show how far the job is. Default: for jobs that take a while.",
        show_default=False,
    ),
]
FSync = Annotated[
    bool,
    typer.Option(
        "--fsync",
        help="Have the output on the disk before it is published.",
        show_default=False,
    ),
]
Debug = Annotated[
    bool,
    typer.Option("--debug", help="Show a traceback with an error.", show_default=False),
]
Compression = Annotated[
    Literal["none", "gzip", "lzf"],
    typer.Option("--compression", help="Compress an .h5 output."),
]
CompressionLevel = Annotated[
    int, typer.Option("--level", min=0, max=9, metavar="0-9", help="Effort of gzip.")
]
Shuffle = Annotated[
    bool,
    typer.Option("--shuffle", help="Shuffle bytes before compression.", show_default=False),
]
Fletcher32 = Annotated[
    bool,
    typer.Option("--fletcher32", help="Give every chunk a checksum.", show_default=False),
]
Chunks = Annotated[
    str,
    typer.Option(
        "--chunks",
        metavar="CxHxW",
        help="Size of the chunks of an .h5 output, as in 1x64x600.",
        show_default=False,
    ),
]
Components = Annotated[
    int | None,
    typer.Option("-k", "--components", metavar="K", help="Components to keep.", show_default=False),
]
Variance = Annotated[
    str,
    typer.Option(
        "--variance",
        metavar="FRACTION",
        help="Keep the fewest components that explain this part of the variance, as in 0.99.",
        show_default=False,
    ),
]
SNR = Annotated[
    str,
    typer.Option(
        "--snr",
        metavar="RATIO",
        help="For mnf: keep the components whose signal-to-noise ratio is this or more.",
        show_default=False,
    ),
]
AllComponents = Annotated[
    bool, typer.Option("--all", help="Keep all components there are.", show_default=False)
]
Method = Annotated[
    Literal["pca", "svd", "mnf", "maf", "lda", "ica", "random", "unmix"],
    typer.Option(
        "--method",
        help="pca: principal components; svd: the same without centring; mnf: minimum noise "
        "fraction; maf: autocorrelation factors; lda: what tells classes apart (--labels); ica: "
        "independent components; random: a random projection; unmix: amounts of known spectra "
        "(--endmembers).",
    ),
]
Standardize = Annotated[
    bool,
    typer.Option(
        "--standardize",
        help="For pca: divide each channel by its standard deviation first (correlation PCA).",
        show_default=False,
    ),
]
Whiten = Annotated[
    bool,
    typer.Option(
        "--whiten",
        help="For pca: divide each component by its standard deviation.",
        show_default=False,
    ),
]
Noise = Annotated[
    Literal["right", "lower", "lowerright", "both"] | None,
    typer.Option(
        "--noise",
        metavar="right|lower|lowerright|both",
        help="For mnf and maf: the neighbours whose differences are taken for noise; both is right "
        "and lower. Default: lowerright for mnf, both for maf.",
        show_default=False,
    ),
]
StatsNoise = Annotated[
    Literal["right", "lower", "lowerright", "both"] | None,
    typer.Option(
        "--noise",
        metavar="right|lower|lowerright|both",
        help="Save the moments of the differences of these neighbours, too: what mnf and maf "
        "learn from.",
        show_default=False,
    ),
]
StatsLabels = Annotated[
    str,
    typer.Option(
        "--labels",
        metavar="FILE",
        help="Save the moments of each class, too: what lda learns from. A map of integers, the "
        "class of each pixel; 0 is no class.",
        show_default=False,
    ),
]
NoiseRows = Annotated[
    str,
    typer.Option(
        "--noise-rows",
        metavar="FIRST:END",
        help="Compare neighbours in these rows only, as in 0:100.",
        show_default=False,
    ),
]
NoiseColumns = Annotated[
    str,
    typer.Option(
        "--noise-cols",
        metavar="FIRST:END",
        help="Compare neighbours in these columns only.",
        show_default=False,
    ),
]
NoiseFrom = Annotated[
    str,
    typer.Option(
        "--noise-from",
        metavar="FILE",
        help="For mnf: a stack of noise alone, such as a dark frame, or its moments; its "
        "covariance is that of the noise.",
        show_default=False,
    ),
]
Labels = Annotated[
    str,
    typer.Option(
        "--labels",
        metavar="FILE",
        help="For lda: a map of integers, the class of each pixel; 0 is no class.",
        show_default=False,
    ),
]
Endmembers = Annotated[
    str,
    typer.Option(
        "--endmembers",
        metavar="FILE",
        help="For unmix: a matrix with one row per channel and one column per endmember "
        "(spillover matrix), in any format of weights.",
        show_default=False,
    ),
]
Kind = Annotated[
    Literal["gaussian", "sparse"] | None,
    typer.Option(
        "--kind",
        metavar="gaussian|sparse",
        help="For random: how weights are drawn. Default: gaussian.",
        show_default=False,
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed",
        metavar="N",
        help="Of whatever is drawn at random: the same seed gives the same result. Default: 0.",
        show_default=False,
    ),
]
Mask = Annotated[
    str,
    typer.Option(
        "--mask",
        metavar="FILE",
        help="A map of one channel: pixels where it is 0 or NaN are left out.",
        show_default=False,
    ),
]
Sample = Annotated[
    int | None,
    typer.Option(
        "--sample",
        metavar="N",
        help="Look at about N pixels only, drawn at random: little else is read.",
        show_default=False,
    ),
]
Plot = Annotated[
    str,
    typer.Option(
        "--plot",
        metavar="FILE",
        help="Draw the eigenvalues (scree plot) as .png or .svg; needs matplotlib.",
        show_default=False,
    ),
]
Residual = Annotated[
    str,
    typer.Option(
        "--residual",
        metavar="PATH",
        help="Write what the components leave unexplained: for each pixel the root mean square, "
        "over the channels, of its reconstruction error.",
        show_default=False,
    ),
]
Model = Annotated[
    str,
    typer.Option(
        "-o",
        "--output",
        metavar="MODEL.npz",
        help="Where the model goes: a weights file for apply.",
        show_default=False,
    ),
]
SaveModel = Annotated[
    str,
    typer.Option(
        "--save", metavar="MODEL.npz", help="Save what was learned, too.", show_default=False
    ),
]
Moments = Annotated[
    str,
    typer.Option(
        "-o",
        "--output",
        metavar="PART.npz",
        help="Save the moments, which fit and merge can join with others.",
        show_default=False,
    ),
]
EachStack = Annotated[
    bool,
    typer.Option(
        "--each",
        help="Every input is a stack of its own, and the pixels of all of them count together. "
        "A pipe may bring several stacks, one after another.",
        show_default=False,
    ),
]
Picture = Annotated[
    str,
    typer.Option(
        "-o",
        "--output",
        metavar="FILE.png",
        help="Write a PNG; - is standard output. Without it the picture is drawn in the terminal.",
        show_default=False,
    ),
]
OneChannel = Annotated[
    int | None,
    typer.Option(
        "--channel",
        metavar="N",
        min=0,
        help="Show this channel alone, counting from 0.",
        show_default=False,
    ),
]
ThreeChannels = Annotated[
    str,
    typer.Option(
        "--rgb",
        metavar="R,G,B",
        help="Show three channels as red, green and blue, as in 29,19,9.",
        show_default=False,
    ),
]
ThreeComponents = Annotated[
    bool,
    typer.Option(
        "--pca",
        help="Show the first three principal components as red, green and blue; they are learned "
        "on the picture itself, at 256×256 pixels at most.",
        show_default=False,
    ),
]
Item = Annotated[
    int | None,
    typer.Option(
        "--item",
        metavar="N",
        min=0,
        help="Which stack of a batch, counting from 0 in the order of the file. Default: 0.",
        show_default=False,
    ),
]
Percentiles = Annotated[
    str,
    typer.Option(
        "--stretch",
        metavar="LOW,HIGH",
        help="Percentiles of each channel that become dark and bright; 0,100 is its whole range. "
        "Default: 2,98.",
        show_default=False,
    ),
]
ValueRange = Annotated[
    str,
    typer.Option(
        "--range",
        metavar="MIN,MAX",
        help="Numbers that become dark and bright, the same in all channels.",
        show_default=False,
    ),
]
ColormapName = Annotated[
    Literal["grey", "viridis", "magma", "coolwarm"],
    typer.Option(
        "--colormap",
        help="Colours of single channels. coolwarm has 0 in its middle, unless --range says else.",
    ),
]
PictureSize = Annotated[
    int | None,
    typer.Option(
        "--size",
        metavar="PIXELS",
        min=1,
        help="Longer side of the picture, at most. Small stacks are enlarged by whole numbers. "
        "Default: 1024, or what fits the terminal.",
        show_default=False,
    ),
]
NoDataInPictures = Annotated[
    str,
    typer.Option(
        "--nodata",
        metavar="VALUE",
        help="What has this value is invalid, as NaN and infinities are: it has a colour of its "
        "own (magenta in grey and in composites), and does not count for the stretch.",
        show_default=False,
    ),
]

//! The words and figures of the screen that are neither metrics nor health rules: each with what it means, what is
//! normal, and where it is described.

/// A word or a figure of the screen.
#[derive(Debug, PartialEq, Eq)]
pub struct Word {
    /// As it is called on screen.
    pub name: &'static str,
    /// What it means, or what it measures and how it is computed.
    pub what: &'static str,
    /// What is normal, or what to do about it; may be empty.
    pub normal: &'static str,
    /// Where it is described; may be empty.
    pub source: &'static str,
}

/// Declares words, one a constant, and a list of all of them.
macro_rules! words {
    ($($constant:ident = $name:literal, $what:literal, $normal:literal, $source:literal;)*) => {
        $(pub(in crate::views) static $constant: Word = Word { name: $name, what: $what, normal: $normal, source: $source };)*

        /// All of them, in the order in which they are listed.
        pub(in crate::views) static ALL: &[&Word] = &[$(&$constant,)*];
    };
}

words! {
    LANE = "lane",
        "One network of a run, and its track on the screen: it has a name, a colour or a mark of its own, a card, curves \
         and maps. All lanes of a run train at the same time on the same examples in the same order.",
        "Two lanes that differ in one thing only, such as their shortcuts, show what this one thing does.", "";
    RUN = "run",
        "One execution of an experiment: a folder with a log for each lane. It can be opened again at any time.", "", "";
    STEP = "step",
        "One update of the weights, by the gradient of one batch. All views show what was recorded at the cursor's step; \
         while following, that is the last one.", "", "";
    EPOCH = "epoch",
        "One pass over the training examples. The figure is how many of them were made up to the cursor's step.", "", "";
    TIMELINE = "timeline",
        "The row above the last one: the run from its start to its planned end, with the cursor, findings, orders and \
         notes. A click goes to that step.", "", "";
    LAYER = "layer",
        "A set of weights that the input passes: a convolution or a matrix. Layers are numbered by depth, from the input \
         to the head; a projection stands beside its block and has no number of its own.", "", "";
    BLOCK = "block",
        "The part of a network around one addition: a branch of some layers, and the shortcut past them. A plain network \
         has blocks of the same layers, without the addition.", "", "He et al. 2015, figure 2";
    BRANCH = "branch, F",
        "The layers of a block, whose output F(x) is added to the shortcut.", "", "He et al. 2015, section 3.1";
    SHORTCUT = "shortcut, h",
        "The way past the layers of a block: the input itself (identity), the input with zeros for new channels (option \
         A), or a trained projection (option B). The block's output is F(x) + h(x).",
        "The identity lets signal and gradient through unchanged at any depth.", "He et al. 2015, section 3.2; He et al. 2016, section 2";
    PLAIN = "plain",
        "Without shortcuts: a block's output is F(x) alone.", "", "He et al. 2015, section 3.3";
    DEPTH = "depth",
        "The number of layers with weights that an input passes, without projections.", "", "";
    STEM = "stem",
        "The first layer, before all blocks.", "", "";
    HEAD = "head",
        "The last layer, which computes a number for each class.", "", "";
    STAGE = "stage",
        "Blocks in a row whose outputs have the same size. Between stages an image halves and channels double.", "", "";
    RESIDUAL_STREAM = "residual stream",
        "What is passed from addition to addition: the sum of the stem's output and of all branches so far.", "", "";
    LEAD = "lead",
        "The headline's comparison of the selected lane with the one that differs from it in its shortcuts: the \
         difference of the training errors of the same batches, in the mean over the last 20 steps, in points (a point is \
         a hundredth of the examples).",
        "Said of a lane only where the difference is larger than two standard errors of that many examples; else it may \
         be chance.", "";
    SINCE = "ahead since step",
        "The step since which the same lane has always been ahead, in the mean over 20 steps.", "", "";
    DIVERGED_LANE = "nothing to compare",
        "One of the two lanes has diverged: its weights carry no information any more, so neither leads.", "", "";
    FAIR = "fair comparison",
        "Whether two lanes may be compared: same seed, same initial weights where both have them, same batches in the \
         same order, same data, same training. What they differ in, is listed.",
        "They differ in one key only. Where more is unequal, no difference of their errors can be told from it.", "";
    THIS_BATCH = "this batch",
        "The share of the step's own batch that the network got wrong, before it learned from it.",
        "Jumps from batch to batch; the curves show it smoothed.", "";
    TRAIN = "train",
        "The share of training examples got wrong in the last evaluation up to the cursor. Where the network has batch \
         norm, it normalises by running averages, as a deployed network does. In charts a filled dot or `*`.",
        "Far above the same with batch BN, the running averages lag behind the weights.", "";
    TRAIN_BATCH = "train (batch BN)",
        "As `train`, of the same examples, but batch norm normalises by the batch at hand, as while training.",
        "A little below `train`.", "";
    TEST = "test",
        "The share of test examples got wrong in the last evaluation up to the cursor. They are never trained on. In \
         charts an open dot or `o`.",
        "Above `train`; the difference is what does not generalise.", "";
    STATISTICS = "statistics",
        "The share of a step's time that measuring takes.", "A few per cent at most.", "";
    THROUGHPUT = "examples per second",
        "Examples trained on per second, over the last steps: images/s, vectors/s or sequences/s.", "", "";
    SMOOTHING = "smoothing",
        "The decay of the moving average in charts: at 0.9 about the last 10 values count, at 0.99 the last 100. What was \
         recorded is drawn faded behind it. Headline, cards and findings are never smoothed.", "", "";
    RAW = "raw",
        "Curves are drawn as recorded, without smoothing.", "", "";
    SCALE = "scale",
        "Linear: equal distances are equal differences. Logarithmic: equal distances are equal ratios, and zero has no \
         place. Signed: linear, and on both sides of zero logarithmic on demand.", "", "";
    OUTLIERS = "beyond the axis",
        "A small arrow with a number beside an axis: so many values lie above or below it, since it is laid for the bulk of them.",
        "All of them can be included.", "";
    COLOUR_SCALE = "colour scale",
        "Which colour stands for which number: one scale for all lanes. It is laid for the bulk of the values; what is \
         beyond has the colour of the end, and the legend says how far that goes. Signed metrics have two colours, one for \
         each side of zero.", "", "";
    NOT_FINITE = "not finite",
        "A cross, or `N` in ASCII: NaN or infinity, which no later computation can mend. It ends a lane.",
        "None.", "";
    LOG_RATIO = "log ratio",
        "log10 of one lane's value over the other's, of the same layer: 0 is equal, 1 is ten times, -1 a tenth.", "", "";
    RATIO = "ratio",
        "One lane's value over the other's, for metrics of sizes; for those of either sign, their difference.", "", "";
    PER_LAYER = "factor a layer",
        "The factor by which a statistic changes from layer to layer toward the head, from a straight line fitted to its \
         logarithms by least squares: 1.05 is 5 % a layer. Its logarithm is in decades: 0.1 decades a layer are ten times in \
         ten layers. Behind it, what that makes from the first layer to the last.",
        "About x1. Gradients of plain networks with ReLU and batch norm start at 1/1.21 a layer, -0.083 decades.",
        "Yang et al. 2019, theorem 8";
    SLOPE = "slope a layer",
        "By how much a statistic changes from layer to layer toward the head: the slope of a straight line fitted by \
         least squares.", "About 0.", "";
    MEDIAN_OF_HALVES = "median of blocks",
        "The median of a statistic over the first half of the blocks, that over the second, and how they compare.", "", "";
    HISTOGRAM = "bins 2^k",
        "A histogram has a bin for each power of two of either sign, and one for exact zeros: the bin 2^k counts values \
         of at least 2^k and less than 2^(k+1). Shades tell how many of the values it has, as do the heights of bars and \
         of ridges, which cut zeros off at the highest of the others.", "", "";
    FINDING = "finding",
        "What a health rule reports: since when, in which lane and layer, what was measured, and what it means. It lasts \
         until some good records in a row.", "", "";
    NOTE = "note",
        "The mildest finding: worth knowing.", "", "";
    WARNING = "warning",
        "A triangle, or `!` in ASCII: training suffers.", "", "";
    CRITICAL = "critical",
        "A cross, or `x` in ASCII: training is lost, or nearly.", "", "";
    HEALTHY = "healthy",
        "No health rule has anything to report of this lane at the cursor's step, and it has neither failed nor diverged.", "", "";
    CANNOT_JUDGE = "- instead of a verdict",
        "The rule cannot judge this lane: it does not measure what the rule needs, or it has diverged.", "", "";
    WAITING = "waiting",
        "The lane has not started, or waits for its turn: there are fewer threads than lanes.", "", "";
    RUNNING = "running", "The lane makes steps.", "", "";
    PAUSED = "paused", "The lane makes no steps until it is resumed; nothing is lost.", "", "";
    FINISHED = "finished", "The lane has made all its steps, and its last checkpoint is written.", "", "";
    STOPPED = "stopped", "The lane was stopped before its last step. It can be resumed from its checkpoint.", "", "";
    DIVERGED = "diverged", "Loss or weights were no longer finite, so the lane was ended. That is a result, not a fault.", "A smaller learning rate or a warm-up usually prevents it.", "";
    FAILED = "failed", "The lane was ended by an error, which is told beside it.", "", "";
    CRASHED = "crashed", "The log ends without an end: the process was killed, or the machine went down. The lane can be resumed.", "", "";
    SILENT = "silent", "Nothing was written to this log of another program for some minutes. It need not say when a run ends.", "", "";
    FOLLOWING = "following",
        "The cursor is on the last step, and moves on with it.", "", "";
    CURSOR = "cursor",
        "The step, layer and lane that all views show. It is one for all of them.", "", "";
    MARK = "mark",
        "A second cursor: charts over time tell the difference, the slope and the mean between it and the first.", "", "";
    RANGE = "range",
        "The steps that charts over time show, in full resolution.", "", "";
    CHECKPOINT = "checkpoint",
        "Weights and state of the optimiser in a file, from which a lane can be resumed with the same bits.", "", "";
    PROBE = "probe",
        "A measurement between two steps that a step itself does not give, such as what a network is worth without one of \
         its blocks. Training has the same bits with and without it.", "", "";
    SEEDS = "mean and range of seeds",
        "Lanes that differ in nothing but their seed as one: the mean, and a band from the least to the greatest.",
        "Where bands overlap, a difference may be chance.", "";
    PIN = "pin",
        "A number that the user wants to see first: it is drawn over time in the overview and before all others among the \
         charts. A pin may also be a metric of one layer or block; in each lane it is that of the layer of the same name.",
        "Kept with the layout of an experiment.", "";
    MEDIAN = "median (least to greatest)",
        "Of the lanes that differ in nothing but their seed.", "", "";
    CHANCE = "p",
        "The probability of a difference at least as large by chance, if both groups were alike: Wilcoxon's rank sum test, \
         exact.",
        "Below 0.05 is usually taken for a difference.", "Wilcoxon 1945";
    CLAIM = "claim",
        "What a sweep is to show, with rules that decide it, written before anything is trained.", "", "";
    VERDICT = "verdict",
        "Confirmed if all rules for it hold; refuted if one against it holds; else not shown.", "", "";
    COST = "ms and bytes a frame",
        "How long drawing took, and what was sent to the terminal, in the mean over ten frames.", "", "";
    // The runs browser.
    STATE = "state", "How far the run is, of the lane that is farthest from done: running, paused, finished, stopped, diverged, failed or crashed.", "", "";
    STARTED = "started", "The day and the time at which the run was started.", "", "";
    NETWORKS = "networks", "What the run's lanes are: architecture, depth, width and shortcuts, as far as they differ.", "", "";
    LOSS_COLUMN = "loss (runs)", "The loss of the last batch; for several lanes the least and the greatest.", "", "";
    TIME = "time", "How long the run has trained.", "", "";
    SEED = "seed", "The number from which all that is random follows: initial weights, order of batches, augmentation.", "Several seeds tell what is chance.", "";
    TAGS = "tags", "Words that you give a run, to find it by.", "", "";
    GROUP = "group", "Runs that differ in nothing but their seed, in one row.", "", "";
    REPEAT = "repeat", "A run of the same experiment with the same seed as another: it adds nothing to a mean over seeds.", "", "";
}

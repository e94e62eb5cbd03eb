"""What each metric is, in words: the one place for terminal, tables and pages."""

MEANINGS = {
    "ap": "average precision",
    "ap_sigmoid32": "average precision of float32 sigmoids, as released scripts take it",
    "auc": "area under the ROC curve",
    "eer": "equal error rate",
    "tpr_at_fpr5": "fakes found while at most 5 % of reals are flagged as fake",
    "tpr_at_fpr1": "fakes found while at most 1 % of reals are flagged as fake",
    "acc": "accuracy at the declared threshold",
    "acc_5fold": "accuracy, each fifth at the threshold that the other four give",
    "acc_calibrated": "accuracy at the threshold of another set (rescore --calibrate-on)",
    "acc_oracle": "accuracy at the best threshold for these images: an upper bound",
    "real_acc": "reals called real at the declared threshold",
    "fake_acc": "fakes flagged as fake at the declared threshold",
    "balanced_acc": "mean of the two",
    "brier": "Brier score of the probability (lower is better)",
    "ece": "expected calibration error, 15 bins (lower is better; biased upwards on few images)",
    "ap_chance": "average precision that random scores get on average on so many images",
    "fake_share": "share of fakes among the images",
}

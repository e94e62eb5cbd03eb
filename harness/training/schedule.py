"""How the learning rate moves, and what validation decides: lower it, stop, which epoch is best."""

from __future__ import annotations

import math
from dataclasses import dataclass

from harness.api import Recipe
from harness.training.outcome import Epoch


def learning_rate(recipe: Recipe, passed: float, drops: int = 0) -> float:
    """The rate of a step.

    Args:
        recipe: names the schedule.
        passed: epochs trained before this step, with the fraction of the running one; warm-up
            epochs count.
        drops: how often ``plateau`` has lowered the rate.
    """
    if passed < recipe.warmup:
        return recipe.lr * passed / recipe.warmup
    if recipe.schedule == "cosine":
        share = (passed - recipe.warmup) / (recipe.epochs - recipe.warmup)
        wave = (1 + math.cos(math.pi * share)) / 2
        return recipe.min_lr + (recipe.lr - recipe.min_lr) * wave
    if recipe.schedule == "plateau":
        return recipe.lr * recipe.lr_gamma**drops
    return recipe.lr * recipe.lr_gamma ** (int(passed) // recipe.lr_step)


@dataclass(kw_only=True)
class Course:
    """What validation has said so far and what follows from it; changed by :meth:`note` only.

    Args:
        recipe: names the figure that is watched, and the patience.
        drops: how often ``plateau`` has lowered the rate.
        waited: epochs since the last gain, or since the rate was lowered after it.
        mark: the figure at the last gain; larger is better. None before the first epoch.
        best: the best figure so far, at ``best_epoch``. A step up of less than ``min_gain`` is
            better, but no gain.
        best_epoch: counted from 1; None while no figure is defined.
    """

    recipe: Recipe
    drops: int = 0
    waited: int = 0
    mark: float | None = None
    best: float | None = None
    best_epoch: int | None = None

    def note(self, epoch: Epoch) -> str:
        """Takes a finished epoch; returns why training ends here, or "" when it goes on."""
        figure = _figure(self.recipe, epoch)
        if figure is None:
            return ""
        if self.best is None or figure > self.best:
            self.best, self.best_epoch = figure, epoch.epoch
        if self._is_gain(figure):
            self.mark, self.waited = figure, 0
            return ""
        self.waited += 1
        if not self.recipe.patience or self.waited < self.recipe.patience:
            return ""
        return self._out_of_patience()

    def _is_gain(self, figure: float) -> bool:
        if self.mark is None:
            return True
        return figure > self.mark and figure - self.mark >= self.recipe.min_gain

    def _out_of_patience(self) -> str:
        recipe = self.recipe
        reason = f"no gain of {recipe.monitor} in {recipe.patience} epochs"
        if recipe.schedule != "plateau":
            return reason
        self.drops += 1
        self.waited = 0
        rate = recipe.lr * recipe.lr_gamma**self.drops
        # 1e-4 * 0.1**2 is not 1e-6 to the last bit: a rate that is meant to equal min_lr is used.
        if rate < recipe.min_lr * (1 - 1e-9):
            return f"{reason}, and the next rate {rate:.3g} is below min_lr {recipe.min_lr:g}"
        return ""


def _figure(recipe: Recipe, epoch: Epoch) -> float | None:
    """The monitored figure of an epoch, turned so that larger is better."""
    if recipe.monitor == "val_loss":
        return None if epoch.val_loss is None else -epoch.val_loss
    return epoch.val_acc if recipe.monitor == "val_acc" else epoch.val_ap

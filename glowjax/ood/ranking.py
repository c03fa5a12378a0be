"""The measures of a score that depend on the order of the images alone, for resamples of the images."""

import numpy as np
from jaxtyping import Float, Int


class Ranking:
    """The images of two sets in the order of a score, from the lowest to the highest."""

    def __init__(self, in_scores: Float[np.ndarray, " N"], out_scores: Float[np.ndarray, " M"]) -> None:
        scores = np.concatenate([in_scores, out_scores])
        self.order = np.argsort(scores)
        self.is_out = self.order >= len(in_scores)
        ranked = scores[self.order]
        self.ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))  # the last of each run of equal scores

    def measures(self, counts: Int[np.ndarray, "R N"]) -> Float[np.ndarray, "R 4"]:
        """(auroc, aupr_out, aupr_in, fpr_at_95_tpr) of each resample, in which image n appears counts[r, n] times.

        The index n runs through in_dist, then through out_dist, which is the positive class.
        """
        ranked = counts[:, self.order]
        below_out, below_in = (np.cumsum(ranked * kind, axis=1)[:, self.ends] for kind in (self.is_out, ~self.is_out))
        num_out, num_in = below_out[:, -1:], below_in[:, -1:]
        own_out, own_in = (np.diff(below, axis=1, prepend=0) for below in (below_out, below_in))  # of each score
        above_out, above_in = num_out - below_out + own_out, num_in - below_in + own_in  # that reach each score
        # A pair is in order if the OOD image scores higher, and a tie counts half.
        auroc = np.sum(own_out * (below_in - own_in / 2), axis=1) / (num_out * num_in)[:, 0]
        aupr_out = np.sum(own_out * above_out / np.maximum(above_out + above_in, 1), axis=1) / num_out[:, 0]
        aupr_in = np.sum(own_in * below_in / np.maximum(below_out + below_in, 1), axis=1) / num_in[:, 0]
        flagged = above_out >= 0.95 * num_out  # falls from True to False with the threshold
        last = flagged.sum(axis=1) - 1
        fpr = above_in[np.arange(len(counts)), last] / num_in[:, 0]
        return np.stack([auroc, aupr_out, aupr_in, fpr], axis=1)

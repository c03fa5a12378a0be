"""Options that experiments share. Their configurations inherit these classes, with the help texts."""

import dataclasses
from pathlib import Path
from typing import Annotated

import tyro

REFERENCES = ("contrast-0.5", "constant", "noise")
"""The generated sets below each histogram by default: images of less contrast, constant images, and noise."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Distributed:
    """Several processes with their own devices, which share the images. Start the same command once per process.

    Attributes:
        distributed: whether this is one of several processes that Slurm, Open MPI, Kubernetes or a TPU pod started.
        coordinator: HOST:PORT of the first process, if the launcher does not tell; implies --distributed.
        num_processes: number of processes, if the launcher does not tell.
        process_id: number of this process, counted from 0, if the launcher does not tell.
    """

    distributed: bool = False
    coordinator: str | None = None
    num_processes: int | None = None
    process_id: int | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Output:
    """Output of an experiment.

    Attributes:
        output_dir: folder of the report; default: the experiment's name below the run's folder, or below results/.
    """

    output_dir: Path | None = None

    @property
    def folder(self) -> Path:
        """The output folder, which `run` resolves before the experiment starts."""
        assert self.output_dir is not None
        return self.output_dir


@dataclasses.dataclass(frozen=True, kw_only=True)
class Data(Output):
    """Images to evaluate.

    Attributes:
        data_dir: folder of .npz and .npy files or of image folders; default: GLOWJAX_DATA_DIR.
        num_images: maximum number of images per set; None: all.
        seed: random seed for the choice of images and for noise.
    """

    data_dir: Path | None = None
    num_images: int | None = 2_000
    seed: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class OneModel(Data, Distributed):
    """A trained model, and the images to evaluate it on.

    Attributes:
        run_dir: folder of a run of `train`, or of several runs that differ in their seed (seed-0, seed-1, ...);
            pretrained:NAME; or a saved .safetensors file.
        out_dists: OOD sets to compare with the model's own test set, such as mnist or mnist:train.
    """

    run_dir: Annotated[Path, tyro.conf.arg(aliases=("--run",))]
    out_dists: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Draws:
    """Random draws behind each likelihood.

    Attributes:
        num_draws: dequantization draws (Glow) or importance samples (VAE; use 1000) per image, the same for every set.
    """

    num_draws: int = 1


@dataclasses.dataclass(frozen=True, kw_only=True)
class LatentDraws(Draws):
    """Random draws behind the likelihoods of models of several kinds.

    Attributes:
        num_draws: dequantization draws per image for a Glow.
        num_latent_draws: importance samples per image for a VAE.
    """

    num_latent_draws: int = 1_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class SeveralModels(Data, LatentDraws, Distributed):
    """Several trained models, and the images to evaluate them on.

    Attributes:
        run_dirs: the models, each a folder of a run of `train`, or of several that differ in their seed (seed-0,
            seed-1, ...); pretrained:NAME; or a saved .safetensors file.
        out_dists: OOD sets to compare with the test set, such as mnist or mnist:train.
    """

    run_dirs: tuple[Path, ...]
    out_dists: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, kw_only=True)
class References:
    """Generated sets.

    Attributes:
        references: generated sets to evaluate as well; they are summarized below each histogram.
    """

    references: tuple[str, ...] = REFERENCES


@dataclasses.dataclass(frozen=True, kw_only=True)
class Seeded:
    """Repetition of the whole experiment.

    Attributes:
        seeds: random seeds, instead of `seed`. Everything is trained, drawn and sampled once per seed, and tables show
            means over seeds.
    """

    seeds: tuple[int, ...] = ()

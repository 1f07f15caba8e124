"""What muscle-tendon models know: coefficients, where they come from, and how far to trust them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal, final

from elifpose.utils.errors import ElifPoseError

HAWKINS_HULL = (
    "Hawkins D, Hull ML (1990). A method for determining lower extremity muscle-tendon lengths during "
    "flexion/extension movements. Journal of Biomechanics 23(5), 487-494."
)
GRIEVE = (
    "Grieve DW, Pheasant S, Cavanagh PR (1978). Prediction of gastrocnemius length from knee and ankle joint "
    "posture. Biomechanics VI-A, 405-412."
)

DEFAULT_MUSCLES = (
    *("gastrocnemius_medialis", "gastrocnemius_lateralis", "soleus", "tibialis_anterior"),
    *("biceps_femoris_long", "semimembranosus", "semitendinosus", "rectus_femoris"),
)
"""The muscles of `hawkins_hull_1990` whose course agrees with OpenSim's models; the others are experimental."""


@final
@dataclass(frozen=True)
class Muscle:
    """Length of one muscle-tendon unit as a polynomial of joint angles, in the unit of its `MuscleModel`.

    constant + hip·α + knee·β + knee_squared·β² + ankle·φ + ankle_squared·φ², in degrees: α hip flexion (0 upright), β
    knee flexion (0 straight), φ = 90 + dorsiflexion.
    """

    segment: Literal["thigh", "shank"]
    """What the length is relative to: hip–knee or knee–ankle."""
    constant: float
    hip: float = 0.0
    knee: float = 0.0
    knee_squared: float = 0.0
    ankle: float = 0.0
    ankle_squared: float = 0.0
    confidence: str = "medium-low"
    """How well the coefficients are supported, by independent codes and by OpenSim's models."""
    experimental: bool = True
    """Whether to use it with care: left out unless asked for."""


@final
@dataclass(frozen=True)
class MuscleModel:
    """A published set of muscles and the unit of its lengths."""

    name: str
    unit: Literal["segment lengths", "% of shank length"]
    """``segment lengths``: the length itself; ``% of shank length``: only its change from ankle 90°, knee 90°."""
    citations: tuple[str, ...]
    """What must be cited beside every figure of the model."""
    muscles: Mapping[str, Muscle]
    standing_lengths: Mapping[str, float] = field(default_factory=dict)
    """For a model of changes: the length at hip, knee and ankle 0, in segment lengths, from `citations`."""
    dorsiflexion_range: tuple[float, float] | None = None
    """Degrees of the ankle between which the model is said to hold; None if nothing is said."""

    def muscle(self, name: str) -> Muscle:
        """The muscle of that name; `ElifPoseError` if the model has none."""
        if name not in self.muscles:
            raise ElifPoseError(f"{self.name} has no muscle {name!r}; it has {', '.join(self.muscles)}")
        return self.muscles[name]


_LOW = "low: one source, moment arms of 7-9.5 cm at the straight knee"

# The triceps surae's rows stand in independent public codes that cite the paper, the others in one code whose triceps
# rows are the same. All were compared with OpenSim's models gait2392 and Rajagopal2016.
_HAWKINS_HULL_MUSCLES = {
    "gastrocnemius_medialis": Muscle(
        "shank", 0.900, knee=-0.00062, ankle=0.00214, confidence="high: three sources", experimental=False
    ),
    "gastrocnemius_lateralis": Muscle(
        "shank", 0.894, knee=-0.00050, ankle=0.00214, confidence="high: two sources", experimental=False
    ),
    "soleus": Muscle("shank", 0.563, ankle=0.00193, confidence="high: two sources", experimental=False),
    "tibialis_anterior": Muscle(
        "shank", 0.715, ankle=-0.0013, confidence="medium: one source, slope 20-28 % low", experimental=False
    ),
    "biceps_femoris_long": Muscle(
        "thigh",
        1.048,
        hip=0.00209,
        knee=-0.00160,
        confidence="medium-high: one source, near OpenSim",
        experimental=False,
    ),
    "semimembranosus": Muscle(
        "thigh",
        1.027,
        hip=0.00199,
        knee=-0.00222,
        confidence="medium-high: one source, near OpenSim",
        experimental=False,
    ),
    "semitendinosus": Muscle(
        "thigh",
        0.987,
        hip=0.00207,
        knee=-0.00178,
        confidence="medium-high for changes, medium for length",
        experimental=False,
    ),
    "rectus_femoris": Muscle(
        "thigh",
        1.107,
        hip=-0.00150,
        knee=0.00199,
        confidence="medium-high: one source, near OpenSim",
        experimental=False,
    ),
    "biceps_femoris_short": Muscle("thigh", 0.600, knee=0.000103, knee_squared=-1.21e-5),
    "sartorius": Muscle("thigh", 1.328, hip=-0.00262, knee=-0.00134),
    "gracilis": Muscle("thigh", 0.968, hip=0.00123, knee=-0.00179),
    "tensor_fasciae_latae": Muscle(
        "thigh", 1.436, hip=-0.0032, knee=-0.000213, confidence="medium-low: the knee's sign opposes OpenSim"
    ),
    "vastus_lateralis": Muscle("thigh", 0.569, knee=0.00406, knee_squared=-2.07e-5, confidence=_LOW),
    "vastus_intermedius": Muscle("thigh", 0.496, knee=0.00388, knee_squared=-1.63e-5, confidence=_LOW),
    "vastus_medialis": Muscle("thigh", 0.489, knee=0.00307, knee_squared=-1.53e-5, confidence=_LOW),
    "iliopsoas": Muscle("thigh", 0.215, hip=-0.000726, confidence="low: a third of OpenSim's length"),
}

_GRIEVE_MUSCLES = {
    "gastrocnemius": Muscle(
        "shank",
        -22.18468 + 6.46251,  # the ankle's polynomial and the knee's
        knee=-0.07987,
        knee_squared=0.00011,
        ankle=0.30141,
        ankle_squared=-0.00061,
        confidence="high for the ankle, medium-high for the knee",
        experimental=False,
    ),
    "soleus": Muscle(
        "shank",
        -22.18468,
        ankle=0.30141,
        ankle_squared=-0.00061,
        confidence="high: two sources",
        experimental=False,
    ),
}

_MODELS = (
    MuscleModel(
        "hawkins_hull_1990",
        unit="segment lengths",
        citations=(HAWKINS_HULL,),
        muscles=_HAWKINS_HULL_MUSCLES,
        dorsiflexion_range=(-30.0, 30.0),
    ),
    MuscleModel(
        "grieve_1978",
        unit="% of shank length",
        citations=(GRIEVE, f"Length in neutral standing: {HAWKINS_HULL}"),
        muscles=_GRIEVE_MUSCLES,
        standing_lengths={"gastrocnemius": 1.0926, "soleus": 0.7367},  # Hawkins & Hull's, of the medial head
    ),
)
MODELS: Mapping[str, MuscleModel] = MappingProxyType({model.name: model for model in _MODELS})
"""Muscle-tendon models by name."""


def muscle_model(name: str) -> MuscleModel:
    """The model of that name.

    Raises:
        ElifPoseError: If there is none.
    """
    if name not in MODELS:
        raise ElifPoseError(f"there is no muscle-tendon model {name!r}; there are {', '.join(MODELS)}")
    return MODELS[name]

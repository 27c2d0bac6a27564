"""A profile: one YAML file that says which models, how much work, and every choice of every stage."""

from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Literal, TypeAlias, get_args

import yaml
from pydantic import Field, ValidationError, model_validator

from marco_dag.config import Config
from marco_dag.curation.config import CurationConfig, LengthRank
from marco_dag.engines.config import EngineConfig, ServerConfig, TransformersConfig
from marco_dag.errors import ProfileError
from marco_dag.evaluation.config import EvaluationConfig
from marco_dag.lifecycle.config import RetentionConfig
from marco_dag.miniature.config import MiniatureConfig
from marco_dag.registry import CANDIDATE, CHAMPION
from marco_dag.registry.config import PromotionConfig
from marco_dag.search.config import SearchConfig
from marco_dag.seeds.config import SeedsConfig
from marco_dag.study.config import StudyConfig
from marco_dag.training.config import RecipeConfig, SftConfig

ModelSource: TypeAlias = Literal["miniature"] | str
"""`miniature` trains the embedded model; anything else is a Hugging Face folder, or a name on the hub."""


class ModelsConfig(Config):
    """Which model plays which role."""

    generator: ModelSource = "miniature"
    """Writes the thoughts of the search."""
    critic: ModelSource = "miniature"
    """Writes Reflection, Reclarify and Double-Check thoughts."""
    student: ModelSource = "miniature"
    """The base model that is trained."""


class Profile(Config):
    """Everything that decides a run."""

    name: str
    """The profile's name."""
    seed: int = Field(0, ge=0, lt=2**31)
    """The one seed that every random choice derives from, in [0, 2**31)."""
    models: ModelsConfig = ModelsConfig()
    """Which model plays which role."""
    miniature: MiniatureConfig = MiniatureConfig()
    """The embedded models, where `models` asks for them."""
    seeds: SeedsConfig = SeedsConfig()
    """The questions."""
    engine: EngineConfig = TransformersConfig()
    """How text is generated."""
    engines: dict[Literal["generator", "critic", "student"], EngineConfig] = Field(default_factory=dict)
    """For single models another way than `engine`; the student's is used to score checkpoints."""
    search: SearchConfig = SearchConfig()
    """How trees grow."""
    curation: CurationConfig = CurationConfig()
    """How trees become training sets."""
    sft: SftConfig = SftConfig()
    """The first training stage."""
    recipes: dict[str, RecipeConfig] = Field(default_factory=dict)
    """The second-stage recipes by name; each is a partition of `dpo_checkpoint`."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """How checkpoints are scored."""
    study: StudyConfig | None = None
    """The paper's tables over several seeds; null: there is no study of this profile."""
    promotion: PromotionConfig = PromotionConfig()
    """When a checkpoint may become the one in use."""
    retention: RetentionConfig = RetentionConfig()
    """How long `marco gc` leaves alone what nothing refers to."""

    @model_validator(mode="after")
    def _recipe_names_are_free(self) -> "Profile":
        if reserved := {"base", "sft", CANDIDATE, CHAMPION} & self.recipes.keys():
            raise ValueError(f"recipes: {sorted(reserved)} name other checkpoints; choose other recipe names")
        return self

    @model_validator(mode="after")
    def _study_departs_from_a_recipe(self) -> "Profile":
        if self.study is None:
            return self
        recipe = self.recipes.get(self.study.recipe)
        if recipe is None or not (recipe.preference_weight and recipe.sft_weight):
            whole = [name for name, each in self.recipes.items() if each.preference_weight and each.sft_weight]
            raise ValueError(
                f"study.recipe: {self.study.recipe!r} is no recipe with a preference and an SFT term, to which the "
                f"paper's ladder leads; there are: {', '.join(whole) or 'none'}"
            )
        self.study.decoding.search_config(self.search)
        return self

    @model_validator(mode="after")
    def _decoding_can_search(self) -> "Profile":
        self.evaluation.mcts_decoding.search_config(self.search)
        return self

    @property
    def chosen_ranks(self) -> tuple[LengthRank, ...]:
        """The chosen ranks that the recipes ask for, without repeats, in a fixed order."""
        return tuple(sorted({recipe.chosen for recipe in self.recipes.values()}))

    @property
    def watched_prompts(self) -> int:
        """The most questions that a training stage is watched with; 0 where none is watched."""
        return max((stage.watch.prompts for stage in (self.sft, *self.recipes.values()) if stage.watch), default=0)

    def engine_of(self, model: Literal["generator", "critic", "student"]) -> EngineConfig:
        """How the text of one model is generated."""
        return self.engines.get(model, self.engine)

    @property
    def key_variables(self) -> frozenset[str]:
        """The environment variables that hold the keys of servers."""
        engines = (self.engine, *self.engines.values())
        named = (engine.api_key_variable for engine in engines if isinstance(engine, ServerConfig))
        return frozenset(name for name in named if name is not None)

    @property
    def checkpoints(self) -> tuple[str, ...]:
        """Every checkpoint that is scored: `base`, `sft`, then the recipes."""
        return ("base", "sft", *self.recipes)


def load_profile(name_or_path: str) -> Profile:
    """The profile shipped under a name, or the one in a YAML file.

    ProfileError names each wrong field, what was given and what is allowed.
    """
    source = Path(name_or_path)
    if source.suffix not in (".yaml", ".yml"):
        shipped = files("marco_dag.profiles") / f"{name_or_path}.yaml"
        if not shipped.is_file():
            raise ProfileError(
                f"no profile {name_or_path!r}; shipped: {', '.join(shipped_profiles())}; or give a .yaml file"
            )
        text, origin = shipped.read_text(), f"profile {name_or_path}"
    else:
        if not source.is_file():
            raise ProfileError(f"{source}: no such file")
        text, origin = source.read_text(), str(source)
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ProfileError(f"{origin}: not YAML: {error}") from error
    return parse_profile(values, origin=origin)


def parse_profile(values: object, *, origin: str) -> Profile:
    """The profile that plain values (of YAML, of a run's configuration) spell; ProfileError as `load_profile`."""
    try:
        return Profile.model_validate(values)
    except ValidationError as error:
        raise ProfileError(f"{origin}:\n{_explain(error)}") from error


def shipped_profiles() -> Sequence[str]:
    """The names of the profiles that come with the package."""
    return sorted(
        p.name.removesuffix(".yaml") for p in files("marco_dag.profiles").iterdir() if p.name.endswith(".yaml")
    )


def _explain(error: ValidationError) -> str:
    lines = []
    for problem in error.errors():
        field = ".".join(str(part) for part in problem["loc"]) or "(profile)"
        given = "" if problem["type"] in ("missing", "extra_forbidden") else f" (given: {problem['input']!r})"
        lines.append(f"  {field}: {problem['msg']}{given}{_alternatives(problem['type'], problem['loc'])}")
    return "\n".join(lines)


def _alternatives(error_type: str, location: tuple[int | str, ...]) -> str:
    """For an unknown field: the fields that its place does have."""
    if error_type != "extra_forbidden":
        return ""
    places: list[type[Config]] = [Profile]
    for part in location[:-1]:
        if fields := [place.model_fields[part] for place in places if part in place.model_fields]:
            places = [config for field in fields for config in _configs_in(field.annotation)]
        else:  # a key of a mapping, or the kind of an engine
            places = [place for place in places if part in _kinds_of(place)] or places
    return f"; fields here: {', '.join(name for place in places[:1] for name in place.model_fields)}"


def _configs_in(annotation: object) -> list[type[Config]]:
    """The configurations that an annotation holds: itself, an optional one, alternatives, those of a mapping."""
    if isinstance(annotation, type) and issubclass(annotation, Config):
        return [annotation]
    return [config for part in get_args(annotation) for config in _configs_in(part)]


def _kinds_of(config: type[Config]) -> tuple[object, ...]:
    kind = config.model_fields.get("kind")
    return get_args(kind.annotation) if kind else ()

"""Every error this library raises on purpose, as one tree.

MarcoError
├── ProfileError      a profile has a wrong field or an impossible value
├── TaskError         a task is unknown, or has fewer distinct questions than asked for
├── SeedError         seeds cannot be had, or not as the profile asks
│   └── SeedFileError     … because a file or data set cannot be read at all (single bad rows are quarantined instead)
├── EngineError       an engine cannot serve a request
│   └── EngineUnavailableError   … nor any other: its server is gone for good
├── SearchError       a search cannot start or go on
│   └── SearchHeldError     … because another process searches in the same folder
├── ClusterError      work cannot be spread over a cluster
├── CurationError     trees cannot be turned into training sets
├── TrainingError     training cannot start or had to stop
├── EvaluationError   a checkpoint cannot be scored
├── StudyError        a study cannot go on
├── LineageError      an id or path has no recorded origin
├── StorageError      what is stored is damaged, or lies where it must not
├── RegistryError     a model version is unknown, or must not be promoted
├── ServingError      a checkpoint cannot be served
├── AlertError        nobody can be told that a run failed
└── ExportError       a checkpoint or a data set cannot be handed out

A message says what is wrong, where (file, row, field) and what to do about it.
"""


class MarcoError(Exception):
    """Base of every error raised on purpose by this library."""


class ProfileError(MarcoError):
    """A profile has a wrong field or an impossible value."""


class TaskError(MarcoError):
    """A task is unknown, or has fewer distinct questions than asked for."""


class SeedError(MarcoError):
    """Seeds cannot be had, or not as the profile asks."""


class SeedFileError(SeedError):
    """A file or data set of seeds cannot be read at all."""


class EngineError(MarcoError):
    """An engine cannot serve a request."""


class EngineUnavailableError(EngineError):
    """An engine serves nothing any more: its server is gone, and stayed away for as long as it was waited for."""


class SearchError(MarcoError):
    """A search cannot start or go on."""


class SearchHeldError(SearchError):
    """Another process searches in the same folder."""


class ClusterError(MarcoError):
    """Work cannot be spread over a cluster."""


class CurationError(MarcoError):
    """Trees cannot be turned into training sets."""


class TrainingError(MarcoError):
    """Training cannot start or had to stop."""


class EvaluationError(MarcoError):
    """A checkpoint cannot be scored."""


class StudyError(MarcoError):
    """A study cannot go on."""


class LineageError(MarcoError):
    """An id or path has no recorded origin."""


class StorageError(MarcoError):
    """What is stored is damaged, or lies where it must not."""


class RegistryError(MarcoError):
    """A model version is unknown, or must not be promoted."""


class ServingError(MarcoError):
    """A checkpoint cannot be served."""


class AlertError(MarcoError):
    """Nobody can be told that a run failed."""


class ExportError(MarcoError):
    """A checkpoint or a data set cannot be handed out."""

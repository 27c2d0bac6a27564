"""Profiles: what models and how much work."""

from marco_dag.profiles.profile import ModelsConfig, ModelSource, Profile, load_profile, parse_profile, shipped_profiles

__all__ = ["ModelSource", "ModelsConfig", "Profile", "load_profile", "parse_profile", "shipped_profiles"]

"""What the composed requests are about: topics, the forms that text about them takes, questions to be answered."""

TOPICS = (
    *("a lighthouse keeper", "growing tomatoes", "a night train", "learning the violin", "an old bicycle"),
    *("keeping bees", "a rainy market day", "the first snow", "a lost umbrella", "baking bread at home"),
    *("a school garden", "moving to a small town", "a chess club", "city birds", "a river ferry"),
    *("repairing clocks", "a winter hike", "a new library", "cooking for a crowd", "a stray cat"),
    *("mountain weather", "a summer job", "a power cut", "street music", "saving water"),
    *("a broken bridge", "an apple orchard", "learning to swim", "a family recipe", "a quiet beach"),
    *("night buses", "a pottery class", "a village fair", "old maps", "a garden shed"),
    *("walking to work", "a radio play", "a shared office", "tidal pools", "letters from abroad"),
)
"""What a text may be about."""

FORMS = (
    "Write a short story about {topic}.",
    "Write a poem about {topic}.",
    "Write an email to a friend about {topic}.",
    "Write a blog post about {topic}.",
    "Give some advice to a beginner on the subject of {topic}.",
    "Write a speech about {topic}.",
    "Explain to a child what is interesting about {topic}.",
    "Write a product advertisement inspired by {topic}.",
    "Write a dialogue between two neighbours about {topic}.",
    "Write a news report about {topic}.",
    "Describe a photograph of {topic}.",
    "Write a diary entry about {topic}.",
    "Write song lyrics about {topic}.",
    "Make a plan for an afternoon around {topic}.",
)
"""Requests for a text about a topic."""

QUESTIONS = (
    "Is {topic} a good subject for a children's book?",
    "Would you make a film about {topic}?",
    "Can {topic} teach us patience?",
    "Would a museum about {topic} find visitors?",
    "Is {topic} worth a chapter in a history of everyday life?",
    "Could {topic} be the theme of a party?",
)
"""Questions that yes, no and maybe answer."""

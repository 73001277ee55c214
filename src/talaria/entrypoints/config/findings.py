"""Where the checks put what they find."""

from dataclasses import dataclass, field

from talaria.entrypoints.config.problems import Problem


@dataclass(slots=True)
class Findings:
    """What stops the gateway, and what is worth a look."""

    problems: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def refuse(self, key: str, wrong: str, instead: str) -> None:
        """Add a problem."""
        self.problems.append(Problem(key, wrong, instead))

    def has(self, key: str) -> bool:
        """Whether a problem stands at exactly this key."""
        return any(problem.key == key for problem in self.problems)

    def warn(self, key: str, wrong: str, instead: str) -> None:
        """Add a warning."""
        self.warnings.append(Problem(key, wrong, instead))

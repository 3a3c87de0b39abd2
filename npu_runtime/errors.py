"""What can be wrong with a policy file, with the machine that is to run it, or with its inputs.

This leaf module imports nothing, so that callers can catch errors without loading a back end.
Messages are complete: file, field, requirement, value received, way out.
"""


class PolicyFileError(ValueError):
    """A policy file that cannot be used; trying again does not help."""


class MissingPolicyFile(PolicyFileError):
    """There is no such file, or it cannot be read."""


class DamagedPolicyFile(PolicyFileError):
    """The file is not what the training wrote: empty, cut off, altered, or no policy at all."""


class WrongSchema(PolicyFileError):
    """The file is sound, but another version of ilgov wrote its metadata."""


class WrongBoard(PolicyFileError):
    """The policy was trained for another board."""


class WrongFeatures(PolicyFileError):
    """The policy reads other features than the governor computes, or in another order."""


class WrongShape(PolicyFileError):
    """The network's inputs or outputs do not have the shape that features and cores ask for."""


class ArtifactError(PolicyFileError):
    """What was made from a policy for an accelerator cannot be used."""


class MissingArtifact(ArtifactError):
    """There is no such file, or none for this target."""


class StaleArtifact(ArtifactError):
    """It was made from another policy file than the one it lies beside."""


class DamagedArtifact(ArtifactError):
    """Artifact or sidecar are not what the conversion wrote."""


class ConversionFailed(PolicyFileError):
    """This policy cannot be carried over to the target, or not in this precision."""


class BackendUnavailable(RuntimeError):
    """This machine cannot run the back end: its library is missing, or uses another device."""


class BadInput(ValueError):
    """Rows that no back end may see: of a wrong type or width, none at all, or not finite."""


class BadOutput(RuntimeError):
    """A back end returned scores that are not finite."""

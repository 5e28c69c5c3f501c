"""The registry: versions of named models, their stages and aliases, what was said of them, their history."""

from __future__ import annotations

from ..domain.model import VersionState as VersionState
from .aliases import Aliased as Aliased
from .aliases import alias as alias
from .aliases import unalias as unalias
from .promoting import Promoted as Promoted
from .promoting import promote as promote
from .promoting import rollback as rollback
from .reading import Entry as Entry
from .reading import RegisteredModel as RegisteredModel
from .reading import Standing as Standing
from .reading import State as State
from .reading import history as history
from .reading import models as models
from .reading import registered_model as registered_model
from .reading import stage_of as stage_of
from .reading import standing_at as standing_at
from .reading import state_of as state_of
from .reading import version_at as version_at
from .reading import versions_from as versions_from
from .registering import Registered as Registered
from .registering import register as register
from .saying import Said as Said
from .saying import approve as approve
from .saying import note as note
from .saying import tag as tag
from .saying import unapprove as unapprove

"""The relations of a fictional world and the verbs that ask for them.

Owns the words; worlds and demonstrators are built from them.
"""

from __future__ import annotations

FILM_RELATIONS = ("director", "writer")
PERSON_RELATIONS = ("spouse", "mentor")
PLACE_RELATIONS = ("birthplace", "residence", "employer")
RELATIONS = (*FILM_RELATIONS, *PERSON_RELATIONS, *PLACE_RELATIONS)

LEVELS = {
    1: (FILM_RELATIONS,),
    2: (FILM_RELATIONS, PLACE_RELATIONS),
    3: (FILM_RELATIONS, PERSON_RELATIONS, PLACE_RELATIONS),
}
"""The relations that each link of a chain chooses from, by the number of links."""

VERBS = {
    "director": ("directed", "shot", "helmed", "lensed"),
    "writer": ("wrote", "scripted", "penned", "drafted"),
    "spouse": ("married", "wed", "espoused", "hitched"),
    "mentor": ("learned", "trained", "studied", "apprenticed"),
    "birthplace": ("born", "native", "hails", "originated"),
    "residence": ("lives", "resides", "dwells", "settled"),
    "employer": ("works", "employed", "toils", "salaried"),
}
"""Four verbs a relation: two common ones, then two rare ones."""

RELATION_OF = {verb: relation for relation, verbs in VERBS.items() for verb in verbs}
RARE_VERBS = frozenset(verb for verbs in VERBS.values() for verb in verbs[2:])

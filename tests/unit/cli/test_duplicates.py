"""`klanten duplicates`: klanten that share what should tell them apart."""

from tests.factories import make_klant, rsin

UUIDS = [f"{number}a107b75-677f-4cbd-8c22-af58be6521cc" for number in range(9)]


def person(number, bsn, **overrides):
    return make_klant(uuid=UUIDS[number], subjectIdentificatie={"inpBsn": bsn}, **overrides)


def organisation(number, subject_type, **identity):
    return make_klant(uuid=UUIDS[number], subjectType=subject_type, subjectIdentificatie=identity)


def test_klanten_that_share_nothing_are_no_finding(operator):
    operator.fill(person(0, rsin()), person(1, rsin()), person(2, ""), person(3, ""))
    result = operator.run("duplicates")
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "BSN: 0 shared by several klanten.",
        "RSIN: 0 shared by several klanten.",
        "vestigingsnummer: 0 shared by several klanten.",
        "e-mailadres: 0 shared by several klanten.",
    ]
    assert operator.json("duplicates") == {"groups": 0, "duplicates": []}


def test_klanten_that_share_a_bsn_are_named(operator):
    bsn = rsin()
    operator.fill(
        person(0, bsn, klantnummer="A1"),
        person(1, rsin()),
        person(2, bsn, klantnummer="A2", bronorganisatie="111222333"),
    )
    result = operator.run("duplicates")
    assert result.exit_code == 1
    assert result.stdout.splitlines()[:3] == [
        "BSN: 2 klanten",
        f"  {UUIDS[0]}  bronorganisatie 517439943  klantnummer A1",
        f"  {UUIDS[2]}  bronorganisatie 111222333  klantnummer A2",
    ]
    assert bsn not in result.stdout


def test_every_kind_is_found_and_told_to_programs(operator):
    number = rsin()
    operator.fill(
        organisation(0, "niet_natuurlijk_persoon", innNnpId=number),
        organisation(1, "niet_natuurlijk_persoon", innNnpId=number),
        organisation(2, "vestiging", vestigingsNummer="000012345678"),
        organisation(3, "vestiging", vestigingsNummer="000012345678"),
        person(4, "", emailadres="a@example.nl"),
        person(5, "", emailadres="a@example.nl"),
        person(6, "", emailadres="a@example.nl"),
        person(7, "", emailadres="b@example.nl"),
    )
    result = operator.json("duplicates", exit_code=1)
    assert result["groups"] == 3
    found = {
        group["filter"]: [klant["uuid"] for klant in group["klanten"]]
        for group in result["duplicates"]
    }
    assert found == {
        "subjectNietNatuurlijkPersoon__innNnpId": UUIDS[:2],
        "subjectVestiging__vestigingsNummer": UUIDS[2:4],
        "emailadres": UUIDS[4:7],
    }
    assert set(result["duplicates"][0]["klanten"][0]) == {
        "uuid",
        "bronorganisatie",
        "klantnummer",
    }


def test_a_number_of_another_kind_is_not_the_same(operator):
    number = rsin()
    operator.fill(person(0, number), organisation(1, "niet_natuurlijk_persoon", innNnpId=number))
    assert operator.run("duplicates").exit_code == 0


def test_the_values_are_shown_when_asked(operator):
    bsn = rsin()
    operator.fill(person(0, bsn), person(1, bsn))
    assert f"BSN {bsn}: 2 klanten" in operator.run("duplicates", "--values").stdout
    [group] = operator.json("duplicates", "--values", exit_code=1)["duplicates"]
    assert group["value"] == bsn
    [group] = operator.json("duplicates", exit_code=1)["duplicates"]
    assert "value" not in group


def test_many_klanten_of_one_value_are_one_group(operator):
    """More than eight: then the index keeps them in another way."""
    operator.fill(*(make_klant(emailadres="a@example.nl") for _ in range(20)))
    [group] = operator.json("duplicates", exit_code=1)["duplicates"]
    assert len(group["klanten"]) == 20


def test_what_was_common_and_is_not_any_more_is_no_finding(operator):
    klanten = [make_klant(emailadres="a@example.nl") for _ in range(10)]
    operator.fill(*klanten)
    changed = [klant | {"emailadres": ""} for klant in klanten[1:]]
    operator.run("import", operator.file("c.jsonl", changed), "--update")
    assert operator.run("duplicates").exit_code == 0

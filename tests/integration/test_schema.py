"""The schema: every table is fenced, and the known holes in fences are shut.

Row level security is only as good as what surrounds it, so each hole that
others fell through is tried here as the role that would fall.
"""

import re
import shutil
import subprocess

import pytest

from conftest import TOP, build_directory
from rig import RigError, records
from rig.postern import SCHEMA
from rig.writing import WritingRig

ACME = records.organization_id("acme")
GLOBEX = records.organization_id("globex")
ROLES = ("postern_gateway", "postern_writer", "postern_console")


@pytest.fixture(scope="module")
def writing():
    """A migrated database with a contact each of two organizations."""
    with WritingRig(build_directory()) as rig:
        stream = records.Stream(rig.redis.socket)
        for name in ("acme", "globex"):
            stream.add([(records.stream(name), records.record(
                "<1@%s>" % name, [records.contact(
                    "jane@%s.example" % name, "Jane",
                    phones=[{"e164": "+4989123456", "kind": "work"}])],
                organization=name, mailbox="a@%s.com" % name))])
        stream.close()
        rig.drain()
        yield rig


@pytest.fixture(scope="module")
def database(writing):
    return writing.postgresql


def psql(database, role, script):
    """Run a script as the role; the lines it printed. A failure raises with
    nothing but its SQLSTATE."""
    done = subprocess.run(
        ["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-v",
         "VERBOSITY=sqlstate", "-d", database.address(role)],
        input=script.encode(), stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, timeout=30)
    if done.returncode != 0:
        raise RigError(done.stderr.decode().strip())
    return done.stdout.decode().splitlines()


def session(database, role, organization, sql):
    """Run sql in a transaction of one organization; its lines."""
    return psql(database, role, """BEGIN;
        SELECT set_config('postern.organization_id', '%s', true) \\g /dev/null
        %s;
        COMMIT;""" % (organization, sql))


def refused(database, role, organization, sql):
    """The SQLSTATE that sql fails with; the test fails when it does not."""
    with pytest.raises(RigError) as caught:
        session(database, role, organization, sql)
    return re.search(r"ERROR:\s+([0-9A-Z]{5})", str(caught.value)).group(1)


TENANT_TABLES = ("organization", "mailbox", "contact", "sighting",
                 "contact_field", "event")

# --- the catalog -----------------------------------------------------------

# Each finds what must not be; the name says why it matters.
LINTS = {
    "a table without forced row level security": """
        SELECT relname FROM pg_class WHERE relnamespace = 'postern'::regnamespace
        AND relkind IN ('r', 'p')
        AND NOT (relrowsecurity AND relforcerowsecurity)""",
    "a table without a policy": """
        SELECT relname FROM pg_class c WHERE relkind IN ('r', 'p')
        AND relnamespace = 'postern'::regnamespace
        AND NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = c.oid)""",
    "a policy that forgets NULLIF": """
        SELECT polname || ' on ' || polrelid::regclass FROM pg_policy
        WHERE polrelid::regclass::text <> 'postern.schema_version'
        AND (pg_get_expr(polqual, polrelid) !~* 'nullif'
            OR pg_get_expr(polwithcheck, polrelid) !~* 'nullif'
            OR polwithcheck IS NULL)""",
    "a key that does not begin with organization_id": """
        SELECT conname FROM pg_constraint c
        JOIN pg_attribute a ON a.attrelid = c.conrelid
            AND a.attnum = c.conkey[1]
        WHERE c.connamespace = 'postern'::regnamespace
        AND c.contype IN ('p', 'u', 'f', 'x')
        AND a.attname <> 'organization_id'
        AND c.conrelid::regclass::text <> 'postern.schema_version'""",
    "a unique index that does not begin with organization_id": """
        SELECT indexrelid::regclass FROM pg_index i
        JOIN pg_class c ON c.oid = i.indrelid
        JOIN pg_attribute a ON a.attrelid = i.indrelid
            AND a.attnum = i.indkey[0]
        WHERE c.relnamespace = 'postern'::regnamespace AND i.indisunique
        AND a.attname <> 'organization_id'
        AND c.relname <> 'schema_version'""",
    "a view that runs as its owner": """
        SELECT relname FROM pg_class WHERE relkind = 'v'
        AND relnamespace = 'postern'::regnamespace
        AND NOT coalesce(reloptions @> '{security_invoker=on}', false)""",
    "a materialized view, which has no policies": """
        SELECT relname FROM pg_class WHERE relkind = 'm'
        AND relnamespace = 'postern'::regnamespace""",
    "a function that runs as its owner": """
        SELECT proname FROM pg_proc
        WHERE pronamespace = 'postern'::regnamespace AND prosecdef""",
    "a function that PUBLIC may run": """
        SELECT proname FROM pg_proc
        WHERE pronamespace = 'postern'::regnamespace
        AND has_function_privilege('public', oid, 'EXECUTE')""",
    "something that a program's role owns": """
        SELECT relname FROM pg_class WHERE pg_get_userbyid(relowner)
        IN ('postern_gateway', 'postern_writer', 'postern_console')""",
    "something in the schema that is not the owner's": """
        SELECT relname FROM pg_class
        WHERE relnamespace = 'postern'::regnamespace
        AND pg_get_userbyid(relowner) <> 'postern_owner'""",
    "a role with more than it needs": """
        SELECT rolname FROM pg_roles WHERE rolname LIKE 'postern%' AND (rolsuper
        OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication)""",
    "an owner that can log in": """
        SELECT rolname FROM pg_roles
        WHERE rolname = 'postern_owner' AND rolcanlogin""",
    "a role that is member of another": """
        SELECT roleid::regrole || ' ' || member::regrole FROM pg_auth_members
        WHERE member::regrole::text LIKE 'postern%'""",
    "TRUNCATE, REFERENCES, TRIGGER or DELETE for a program": """
        SELECT r.rolname || ' ' || p || ' ' || c.relname
        FROM pg_class c, pg_roles r, unnest(ARRAY['TRUNCATE', 'REFERENCES',
            'TRIGGER', 'DELETE']) AS p
        WHERE c.relnamespace = 'postern'::regnamespace
        AND c.relkind IN ('r', 'p', 'v') AND r.rolname IN
            ('postern_gateway', 'postern_writer', 'postern_console')
        AND has_table_privilege(r.rolname, c.oid, p)""",
    "CREATE or TEMPORARY for a program": """
        SELECT r.rolname FROM pg_roles r WHERE r.rolname IN
            ('postern_gateway', 'postern_writer', 'postern_console')
        AND (has_database_privilege(r.rolname, current_database(), 'TEMP')
            OR has_database_privilege(r.rolname, current_database(), 'CREATE')
            OR has_schema_privilege(r.rolname, 'postern', 'CREATE')
            OR has_schema_privilege(r.rolname, 'public', 'CREATE'))""",
    "a column that could hold what mail says": """
        SELECT attrelid::regclass || '.' || attname FROM pg_attribute
        JOIN pg_class c ON c.oid = attrelid
        WHERE c.relnamespace = 'postern'::regnamespace
        AND attname ~ 'subject|body|content|attachment|text'""",
}


@pytest.mark.parametrize("lint", LINTS)
def test_the_catalog_has_no(database, lint):
    assert database.query(LINTS[lint]) == []


# --- the five holes --------------------------------------------------------


def test_hole_1_the_owner_and_views_see_no_more(database):
    for table in TENANT_TABLES:
        count = "SELECT count(*) FROM postern." + table
        assert database.query("SET ROLE postern_owner; " + count) == [["0"]]
    card = "SELECT email FROM postern.contact_card"
    assert session(database, "postern_console", ACME, card) == [
        "jane@acme.example"]
    assert psql(database, "postern_console", card + ";") == []


@pytest.mark.parametrize("role", ROLES)
def test_hole_2_an_empty_setting_is_no_organization(database, role):
    readable = {"postern_gateway": "mailbox"}.get(role, "contact")
    count = "SELECT count(*) FROM postern.%s" % readable
    lines = psql(database, role, """
        %(count)s;
        BEGIN;
        SELECT set_config('postern.organization_id', '%(acme)s', true)
            \\g /dev/null
        %(count)s;
        COMMIT;
        SELECT current_setting('postern.organization_id', true) = '';
        %(count)s;
        """ % {"count": count, "acme": ACME})
    assert lines == ["0", "1", "t", "0"]


def test_hole_3_the_programs_set_it_for_one_transaction():
    """Nothing in the source sets an organization for a whole connection."""
    source = "".join(path.read_text() for folder in ("writer", "cli")
                     for path in (TOP / "gateway" / folder).glob("*.c"))
    settings = re.findall(r"set_config\('postern\.organization_id'[^)]*\)",
                          source)
    assert settings and all(one.endswith("true)") for one in settings)
    assert "SET postern." not in source


def test_hole_4_keys_tell_nothing_of_others(database):
    add = ("INSERT INTO postern.contact (organization_id, email, first_seen, "
           "last_seen) VALUES ('%s', 'jane@globex.example', now(), now()) ")
    # The same address in one's own organization is no conflict, so nothing
    # is learned from trying, and DO NOTHING loses nothing.
    assert session(database, "postern_writer", ACME, add % ACME
                   + "ON CONFLICT DO NOTHING RETURNING email") == [
        "jane@globex.example"]
    # A row for another organization is refused, whether it is there or not.
    existing = refused(database, "postern_writer", ACME, add % GLOBEX)
    missing = refused(database, "postern_writer", ACME, (
        add % GLOBEX).replace("jane@", "nobody@"))
    assert existing == missing == "42501"
    upsert = "ON CONFLICT (organization_id, email) DO UPDATE SET name = 'x'"
    assert refused(database, "postern_writer", ACME, add % GLOBEX
                   + upsert) == "42501"


def test_hole_4_a_foreign_key_cannot_reach_others(database):
    globex = database.query(
        "SELECT contact_id, mailbox_id FROM postern.sighting "
        "WHERE organization_id = '%s'" % GLOBEX)[0]
    sighting = (
        "INSERT INTO postern.sighting (organization_id, message_ref, "
        "contact_id, mailbox_id, direction, role, folder, evidence, sources, "
        "confidence, seen_at) VALUES ('%s', decode(repeat('00', 32), 'hex'), "
        "%s, %s, 'in', 'author', 'inbox', 'body', 1, 1, now())")
    there = refused(database, "postern_writer", ACME,
                    sighting % (ACME, globex[0], globex[1]))
    nowhere = refused(database, "postern_writer", ACME,
                      sighting % (ACME, 999999, 999999))
    assert there == nowhere == "23503"


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("table", TENANT_TABLES + ("schema_version",))
def test_hole_5_nobody_truncates_or_deletes(database, role, table):
    for verb in ("TRUNCATE postern.%s", "TRUNCATE postern.%s CASCADE",
                 "DELETE FROM postern.%s"):
        assert refused(database, role, ACME, verb % table) == "42501"


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("sql", [
    "CREATE TEMP TABLE t AS SELECT 1", "CREATE TABLE public.t (a int)",
    "CREATE TABLE postern.t (a int)", "SET ROLE postern_owner",
    "ALTER TABLE postern.contact DISABLE ROW LEVEL SECURITY",
    "SET row_security = off; SELECT * FROM postern.contact",
    "ALTER ROLE postern_writer BYPASSRLS",
    "CREATE FUNCTION public.f() RETURNS int LANGUAGE sql RETURN 1",
    "INSERT INTO postern.schema_version VALUES (99, 'x', repeat('0', 64))",
])
def test_a_program_cannot_widen_its_rights(database, role, sql):
    assert refused(database, role, ACME, sql) in ("42501", "0A000")


@pytest.mark.parametrize("table", TENANT_TABLES)
def test_one_organization_reads_and_writes_only_its_own(database, table):
    role = "postern_writer"
    theirs = "organization_id = '%s'" % GLOBEX
    assert session(database, role, ACME, "SELECT count(*) FROM postern.%s "
                   "WHERE %s" % (table, theirs)) == ["0"]
    assert int(session(database, role, ACME,
                       "SELECT count(*) FROM postern." + table)[0]) > 0
    if table in ("contact", "sighting", "contact_field"):
        lines = session(database, role, ACME,
                        "UPDATE postern.%s SET organization_id = "
                        "organization_id WHERE %s RETURNING 1"
                        % (table, theirs))
        assert lines == []
        assert refused(database, role, ACME, "UPDATE postern.%s SET "
                       "organization_id = '%s'" % (table, GLOBEX)) == "42501"


# --- migrating -------------------------------------------------------------


def test_migrating_again_changes_nothing_and_check_agrees(writing):
    rig = writing
    again = rig.postern("db", "migrate", "--schema", SCHEMA).stdout.decode()
    assert "0 files applied now" in again
    assert rig.postern("db", "check", "--schema", SCHEMA).returncode == 0


def test_a_database_that_cannot_hold_every_name_is_refused(writing,
                                                           database):
    database.query("CREATE DATABASE narrow ENCODING 'LATIN1' "
                   "TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'")
    text = writing.configuration.read_text()
    writing.configuration.write_text(
        re.sub(r"dbname=\w+", "dbname=narrow", text))
    try:
        for verb in ("migrate", "check"):
            with pytest.raises(RigError, match="is in LATIN1"):
                writing.postern("db", verb, "--schema", SCHEMA)
    finally:
        writing.configuration.write_text(text)


def test_a_file_that_changed_after_it_was_applied_is_refused(writing,
                                                            tmp_path):
    rig = writing
    changed = shutil.copytree(SCHEMA, tmp_path / "schema")
    with open(changed / "0002_contacts.sql", "a") as script:
        script.write("-- later\n")
    for verb in ("migrate", "check"):
        done = rig.postern("db", verb, "--schema", changed, check=False)
        assert done.returncode == 1
    (changed / "0002_contacts.sql").unlink()
    done = rig.postern("db", "migrate", "--schema", changed, check=False)
    assert done.returncode == 1 and b"0003" in done.stdout


def test_a_migration_that_fails_leaves_nothing(writing, database, tmp_path):
    rig = writing
    broken = shutil.copytree(SCHEMA, tmp_path / "schema")
    number = len(list(broken.glob("*.sql"))) + 1
    (broken / ("%04d_more.sql" % number)).write_text(
        "SET LOCAL ROLE postern_owner;\nCREATE TABLE postern.half (a int);\n"
        "SELECT 1 / 0;\n")
    done = rig.postern("db", "migrate", "--schema", broken, check=False)
    assert done.returncode == 1
    assert ("%04d_more.sql" % number).encode() in done.stdout
    assert database.query(
        "SELECT to_regclass('postern.half') IS NULL") == [["t"]]
    done = rig.postern("db", "check", "--schema", broken, check=False)
    assert done.returncode == 1 and b"missing" in done.stdout

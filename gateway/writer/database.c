/* database: libpq, with a deadline on every answer. libpq's own calls wait
   for ever for a server that was stopped; these poll. */
#include "writer/database.h"

#include <assert.h>
#include <poll.h>
#include <stdlib.h>
#include <time.h>

#include <libpq-fe.h>

#include "lib/span.h"
#include "lib/xalloc.h"

#define CONNECT_TIMEOUT_S "5"
/* The server ends a statement after STATEMENT_TIMEOUT_MS; when not even that
   answer comes, the connection is given up. */
#define STATEMENT_TIMEOUT_MS "30000"
#define LOCK_TIMEOUT_MS	     "15000"
#define ANSWER_TIMEOUT_MS    45000

#define VALUES_MAX 32

struct database {
	PGconn *conn;
};

struct database_result {
	PGresult *rows;
};

static int64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The first line of what libpq says. Its details may quote values, which are
   contacts: they stay out of the log. */
static int set_error(struct error *err_r, const char *text)
{
	struct span rest = span_str(text);
	struct span line = rest;

	span_next_line(&rest, &line);
	return error_set(err_r, "postgresql: %.*s", SPAN_ARGS(line));
}

/* Notices of the server are no news. */
static void ignore_notice(void *context, const PGresult *result)
{
	(void)context;
	(void)result;
}

/* Limits for every statement of the connection, and names found in our schema
   alone. Nothing here is about an organization. */
static enum database_outcome set_session(struct database *database,
					 struct error *err_r)
{
	const char *values[] = { STATEMENT_TIMEOUT_MS, LOCK_TIMEOUT_MS };

	return database_run(
		database,
		"SELECT set_config('statement_timeout', $1, false), "
		"set_config('lock_timeout', $2, false), "
		"set_config('idle_in_transaction_session_timeout', '60000', "
		"false), set_config('search_path', 'postern, pg_temp', false)",
		2, values, NULL, err_r);
}

struct database *database_open(const char *conninfo, const char *program,
			       struct error *err_r)
{
	/* Later ones go before what the connection string says. */
	const char *const keywords[] = { "dbname", "connect_timeout",
					 "fallback_application_name",
					 "client_encoding", NULL };
	const char *const values[] = { conninfo, CONNECT_TIMEOUT_S, program,
				       "UTF8", NULL };
	struct database *database = xcalloc(1, sizeof(*database));

	database->conn = PQconnectdbParams(keywords, values, 1);
	if (PQstatus(database->conn) != CONNECTION_OK) {
		set_error(err_r, PQerrorMessage(database->conn));
		database_close(&database);
		return NULL;
	}
	PQsetNoticeReceiver(database->conn, ignore_notice, NULL);
	if (set_session(database, err_r) != DATABASE_DONE) {
		database_close(&database);
	}
	return database;
}

void database_close(struct database **database)
{
	if (*database == NULL) {
		return;
	}
	PQfinish((*database)->conn);
	free(*database);
	*database = NULL;
}

static int wait_for_server(struct database *database, short events,
			   int64_t deadline)
{
	struct pollfd poller = { PQsocket(database->conn), events, 0 };
	int64_t left = deadline - now_ms();

	if (left <= 0) {
		return -1;
	}
	return poll(&poller, 1, (int)left) == 0 ? -1 : 0;
}

/* Send what libpq still holds, and read until a result is whole. */
static int await_answer(struct database *database, int64_t deadline)
{
	int pending;

	while ((pending = PQflush(database->conn)) == 1) {
		if (wait_for_server(database, POLLIN | POLLOUT, deadline) < 0 ||
		    PQconsumeInput(database->conn) == 0) {
			return -1;
		}
	}
	while (pending == 0 && PQisBusy(database->conn)) {
		if (wait_for_server(database, POLLIN, deadline) < 0 ||
		    PQconsumeInput(database->conn) == 0) {
			return -1;
		}
	}
	return pending;
}

/* By the class of the SQLSTATE (PostgreSQL, appendix A). Only what speaks of
   the values is the record's fault. A right that was taken away, a table that
   is not there, a disk that is full are the server's: it would refuse every
   other record, too, until somebody mends it. */
static enum database_outcome judge(const PGresult *result)
{
	static const struct {
		const char *state;
		enum database_outcome outcome;
	} rows[] = {
		{ "08", DATABASE_LOST },
		{ "57P", DATABASE_LOST },
		{ "25P03", DATABASE_LOST },
		/* Resources; read-only; rights and names. */
		{ "53", DATABASE_LOST },
		{ "25006", DATABASE_LOST },
		{ "42", DATABASE_LOST },
		/* Data; constraints; too large; raised by our functions. */
		{ "22", DATABASE_REFUSED },
		{ "23", DATABASE_REFUSED },
		{ "54", DATABASE_REFUSED },
		{ "P0", DATABASE_REFUSED },
	};
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);

	if (state == NULL) {
		return DATABASE_LOST;
	}
	for (size_t i = 0; i < N_ELEMENTS(rows); i++) {
		if (strncmp(state, rows[i].state, strlen(rows[i].state)) == 0) {
			return rows[i].outcome;
		}
	}
	return DATABASE_RETRY;
}

static enum database_outcome take_result(struct database *database,
					 PGresult *result, PGresult **kept_r,
					 struct error *err_r)
{
	ExecStatusType status = PQresultStatus(result);
	enum database_outcome outcome;

	if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK) {
		PQclear(*kept_r);
		*kept_r = result;
		return DATABASE_DONE;
	}
	set_error(err_r, PQresultErrorMessage(result));
	outcome = PQstatus(database->conn) == CONNECTION_OK ? judge(result)
							    : DATABASE_LOST;
	PQclear(result);
	return outcome;
}

/* Collect every result of what was sent; the first failure stands. */
static enum database_outcome collect(struct database *database, int sent,
				     PGresult **kept_r, struct error *err_r)
{
	enum database_outcome outcome = DATABASE_DONE;
	int64_t deadline = now_ms() + ANSWER_TIMEOUT_MS;
	PGresult *result;

	*kept_r = NULL;
	if (!sent) {
		set_error(err_r, PQerrorMessage(database->conn));
		return DATABASE_LOST;
	}
	for (;;) {
		enum database_outcome one;

		if (await_answer(database, deadline) < 0) {
			error_set(err_r, "postgresql: no answer");
			return DATABASE_LOST;
		}
		result = PQgetResult(database->conn);
		if (result == NULL) {
			break;
		}
		one = take_result(database, result, kept_r, err_r);
		if (outcome == DATABASE_DONE) {
			outcome = one;
		}
	}
	if (PQstatus(database->conn) != CONNECTION_OK) {
		return DATABASE_LOST;
	}
	return outcome;
}

static enum database_outcome finish(struct database *database, int sent,
				    struct database_result **result_r,
				    struct error *err_r)
{
	PGresult *rows;
	enum database_outcome outcome = collect(database, sent, &rows, err_r);

	if (outcome == DATABASE_DONE && result_r != NULL) {
		*result_r = xcalloc(1, sizeof(**result_r));
		(*result_r)->rows = rows;
	} else {
		PQclear(rows);
	}
	return outcome;
}

enum database_outcome database_prepare(struct database *database,
				       const char *name, const char *statement,
				       struct error *err_r)
{
	return finish(database,
		      PQsendPrepare(database->conn, name, statement, 0, NULL),
		      NULL, err_r);
}

enum database_outcome database_run(struct database *database,
				   const char *statement, size_t count,
				   const char *const *values,
				   struct database_result **result_r,
				   struct error *err_r)
{
	assert(count <= VALUES_MAX);
	return finish(database,
		      PQsendQueryParams(database->conn, statement, (int)count,
					NULL, values, NULL, NULL, 0),
		      result_r, err_r);
}

enum database_outcome database_run_prepared(struct database *database,
					    const char *name, size_t count,
					    const char *const *values,
					    struct database_result **result_r,
					    struct error *err_r)
{
	assert(count <= VALUES_MAX);
	return finish(database,
		      PQsendQueryPrepared(database->conn, name, (int)count,
					  values, NULL, NULL, 0),
		      result_r, err_r);
}

enum database_outcome database_run_script(struct database *database,
					  const char *script,
					  struct error *err_r)
{
	return finish(database, PQsendQuery(database->conn, script), NULL,
		      err_r);
}

size_t database_rows(const struct database_result *result)
{
	return (size_t)PQntuples(result->rows);
}

const char *database_value(const struct database_result *result, size_t row,
			   size_t column)
{
	return PQgetisnull(result->rows, (int)row, (int)column)
		       ? NULL
		       : PQgetvalue(result->rows, (int)row, (int)column);
}

void database_result_free(struct database_result **result)
{
	if (*result == NULL) {
		return;
	}
	PQclear((*result)->rows);
	free(*result);
	*result = NULL;
}

enum database_outcome database_begin(struct database *database,
				     const char *organization_id,
				     struct error *err_r)
{
	enum database_outcome outcome =
		database_run(database, "BEGIN", 0, NULL, NULL, err_r);

	if (outcome != DATABASE_DONE) {
		return outcome;
	}
	/* true: gone with the transaction, so that no later one on this
	   connection sees an organization it did not name. */
	return database_run(
		database,
		"SELECT set_config('postern.organization_id', $1, true)", 1,
		&organization_id, NULL, err_r);
}

enum database_outcome database_commit(struct database *database,
				      struct error *err_r)
{
	struct database_result *result = NULL;
	enum database_outcome outcome =
		database_run(database, "COMMIT", 0, NULL, &result, err_r);

	/* COMMIT of a failed transaction is answered with ROLLBACK, and no
	   error. */
	if (outcome == DATABASE_DONE &&
	    strcmp(PQcmdStatus(result->rows), "COMMIT") != 0) {
		error_set(err_r, "postgresql: rolled back at COMMIT");
		outcome = DATABASE_RETRY;
	}
	database_result_free(&result);
	return outcome;
}

void database_rollback(struct database *database)
{
	if (PQstatus(database->conn) == CONNECTION_OK &&
	    PQtransactionStatus(database->conn) != PQTRANS_IDLE) {
		database_run(database, "ROLLBACK", 0, NULL, NULL, NULL);
	}
}

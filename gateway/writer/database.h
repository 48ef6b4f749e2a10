/* database: one PostgreSQL connection. The only libpq file of the writer and
   of the command line. Values go as parameters, never into the text of a
   statement; every call ends by its deadline. */
#ifndef POSTERN_WRITER_DATABASE_H
#define POSTERN_WRITER_DATABASE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/error.h"

struct database;
struct database_result;

enum database_outcome {
	DATABASE_DONE,
	/* Rolled back and worth another try as it is: deadlock, timeout,
	   serialization, shutting down. */
	DATABASE_RETRY,
	/* The statement or its values are at fault, and will be again. */
	DATABASE_REFUSED,
	/* No connection any more, or a server that can file nothing as it is.
	   Of a COMMIT: unknown if it took effect. */
	DATABASE_LOST,
};

/* Connect with a libpq connection string. Return NULL with the reason. */
struct database *database_open(const char *conninfo, const char *program,
			       struct error *err_r);
void database_close(struct database **database);

/* Have a statement planned once for this connection. */
enum database_outcome database_prepare(struct database *database,
				       const char *name, const char *statement,
				       struct error *err_r);

/* Run one statement, or one that was prepared. values are texts, NULL for a
   null. *result_r may be NULL when nobody looks; it is only set when done,
   and then the caller's to free. */
enum database_outcome database_run(struct database *database,
				   const char *statement, size_t count,
				   const char *const *values,
				   struct database_result **result_r,
				   struct error *err_r);
enum database_outcome database_run_prepared(struct database *database,
					    const char *name, size_t count,
					    const char *const *values,
					    struct database_result **result_r,
					    struct error *err_r);

/* Run many statements, as a file has them. For files of our own alone. */
enum database_outcome database_run_script(struct database *database,
					  const char *script,
					  struct error *err_r);

size_t database_rows(const struct database_result *result);
/* NULL for a null. Borrowed from the result. */
const char *database_value(const struct database_result *result, size_t row,
			   size_t column);
void database_result_free(struct database_result **result);

/* Begin a transaction that sees and may change one organization alone. */
enum database_outcome database_begin(struct database *database,
				     const char *organization_id,
				     struct error *err_r);
enum database_outcome database_commit(struct database *database,
				      struct error *err_r);
/* Quiet; used on the way out of a failure. */
void database_rollback(struct database *database);

#endif

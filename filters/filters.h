/* filters: what the files of this folder share; the contract is filter.h. */
#ifndef POSTERN_FILTERS_FILTERS_H
#define POSTERN_FILTERS_FILTERS_H

#include "filters/filter.h"

/* Write the note, cut to fit. */
void filter_note_set(struct filter_note *note_r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* One row of a table of headers: does value say what the row is about? */
struct header_sign {
	const char *header;
	bool (*says)(struct span value);
};

/* Ask every header of that name, not the first alone: whoever adds one more in
   front of it must not be able to hide it. Return the row that says yes, or
   NULL. */
const struct header_sign *header_sign_find(const struct message *msg,
					   const struct header_sign *signs,
					   size_t count);

/* Is flag (any case) one of the IMAP flags seen? */
bool origin_has_flag(const struct message_origin *origin, const char *flag);

/* Is the only author a MAILER-DAEMON? The machine filter skips those. */
bool is_from_mail_system(const struct message *msg);

/* The asks behind the table. */
enum skip_reason scope_ask(const struct message *msg,
			   const struct message_origin *origin,
			   struct filter_note *note_r);
enum skip_reason draft_ask(const struct message *msg,
			   const struct message_origin *origin,
			   struct filter_note *note_r);
enum skip_reason spam_ask(const struct message *msg,
			  const struct message_origin *origin,
			  struct filter_note *note_r);
enum skip_reason internal_only_ask(const struct message *msg,
				   const struct message_origin *origin,
				   struct filter_note *note_r);
enum skip_reason machine_ask(const struct message *msg,
			     const struct message_origin *origin,
			     struct filter_note *note_r);
enum skip_reason readable_ask(const struct message *msg,
			      const struct message_origin *origin,
			      struct filter_note *note_r);

#endif

/* smtp_envelope: the arguments of MAIL and RCPT: a path and ESMTP parameters
   (RFC 5321 4.1.1.2, 4.1.1.3, 4.1.2). What is not understood wholly is
   refused: two servers must not read two addresses. Pure. */
#ifndef POSTERN_SMTP_ENVELOPE_H
#define POSTERN_SMTP_ENVELOPE_H

#include "lib/span.h"
#include "lib/strbuf.h"

/* RFC 5321 4.5.3.1 has 64 and 255, and providers take longer local parts
   (VERP); UTF-8 needs more octets for as many characters. */
#define SMTP_LOCAL_PART_MAX 256
#define SMTP_DOMAIN_MAX	    255
/* RFC 3461 4.4 and 4.2, RFC 4954 section 5. */
#define SMTP_ENVID_MAX 100
#define SMTP_ORCPT_MAX 500
#define SMTP_XTEXT_MAX 500

enum smtp_parameter {
	/* Of MAIL. */
	SMTP_PARAM_SIZE,
	SMTP_PARAM_BODY,
	SMTP_PARAM_SMTPUTF8,
	SMTP_PARAM_RET,
	SMTP_PARAM_ENVID,
	SMTP_PARAM_AUTH,
	SMTP_PARAM_REQUIRETLS,
	/* Of RCPT. */
	SMTP_PARAM_NOTIFY,
	SMTP_PARAM_ORCPT,
	SMTP_PARAM_COUNT
};

struct smtp_envelope {
	/* Between "<" and ">"; empty for the null sender. Borrows. */
	struct span path;
	/* It has bytes outside ASCII. */
	bool is_utf8;
	/* "KEY=value" as it was written; len 0: not given. Borrows. */
	struct span parameters[SMTP_PARAM_COUNT];
	/* Of SIZE=, 0 when not given. */
	uint64_t size;
	/* BODY=8BITMIME. */
	bool is_8bit;
};

/* Read what follows "MAIL " or "RCPT ". Return 0, or -1 with a whole reply
   line in *refusal_r. 8-bit addresses are accepted in MAIL only with
   SMTPUTF8; for RCPT utf8 says whether the transaction has it. */
int smtp_mail_parse(struct span argument, struct smtp_envelope *envelope_r,
		    const char **refusal_r);
int smtp_rcpt_parse(struct span argument, bool utf8,
		    struct smtp_envelope *envelope_r, const char **refusal_r);

static inline bool smtp_envelope_has(const struct smtp_envelope *envelope,
				     enum smtp_parameter parameter)
{
	return envelope->parameters[parameter].len > 0;
}

/* Append the one canonical form, without CRLF: "MAIL FROM:<path> KEY=value".
   verb is "MAIL FROM" or "RCPT TO"; parameters whose bit (1 << parameter) is
   in leave_out are left out. */
void smtp_envelope_write(const struct smtp_envelope *envelope, const char *verb,
			 unsigned int leave_out, struct strbuf *out);

#endif

/* phone_shim: what of libphonenumber is used, for C. Included by C++, so it
   includes nothing of ours. */
#ifndef POSTERN_FILTERS_PHONE_SHIM_H
#define POSTERN_FILTERS_PHONE_SHIM_H

#define PHONE_E164_SIZE 20

enum phone_type {
	PHONE_TYPE_FIXED,
	PHONE_TYPE_MOBILE,
	/* Countries that do not tell one from the other. */
	PHONE_TYPE_FIXED_OR_MOBILE,
	PHONE_TYPE_PAGER,
	PHONE_TYPE_OTHER
};

struct phone_number {
	char e164[PHONE_E164_SIZE];
	enum phone_type type;
};

#ifdef __cplusplus
extern "C" {
#endif

/* As phone_parse and phone_region. */
int phone_shim_parse(const char *digits, const char *region,
		     struct phone_number *number_r);
void phone_shim_region(const char *e164, char region_r[3]);

#ifdef __cplusplus
}
#endif

#endif

/* yaml_scalar.c - see yaml_scalar.h. */
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "kube/yaml_scalar.h"

bool
yaml_is_one_of(const char *s, const char *const *words)
{
	for (; *words != NULL; words++)
		if (strcmp(s, *words) == 0)
			return true;
	return false;
}

/*
 * An integer as Go's ParseInt(s, 0, 64) reads it once underscores are gone:
 * sign, 0x, 0o, 0b or a leading 0 for octal.
 */
static bool
parse_int(const char *s, double *ret)
{
	bool is_negative = *s == '-';
	unsigned base = 10;
	double v = 0;
	size_t n = 0;

	s += *s == '-' || *s == '+';
	if (s[0] == '0' && s[1] != '\0') {
		base = 8;
		s++;
		if (*s == 'x' || *s == 'X' || *s == 'b' || *s == 'B' ||
		    *s == 'o' || *s == 'O')
			base = *s == 'x' || *s == 'X' ? 16 :
			    *s == 'b' || *s == 'B' ? 2 : 8, s++;
	}
	for (; *s != '\0'; s++, n++) {
		unsigned d = *s >= '0' && *s <= '9' ? (unsigned)(*s - '0') :
		    *s >= 'a' && *s <= 'f' ? (unsigned)(*s - 'a') + 10 :
		    *s >= 'A' && *s <= 'F' ? (unsigned)(*s - 'A') + 10 : 99;

		if (d >= base)
			return false;
		v = v * base + d;
	}
	*ret = is_negative ? -v : v;
	return n > 0 && v < 0x1p64;
}

/* [-+]?[0-9]*\.?[0-9]+([eE][-+]?[0-9]+)? or digits and a last dot. */
static bool
is_float(const char *s)
{
	size_t whole, part = 0;

	s += *s == '-' || *s == '+';
	whole = strspn(s, "0123456789");
	s += whole;
	if (*s == '.') {
		s++;
		part = strspn(s, "0123456789");
		s += part;
	}
	if (whole + part == 0)
		return false;
	if (*s == 'e' || *s == 'E') {
		s++;
		s += *s == '-' || *s == '+';
		if (strspn(s, "0123456789") == 0)
			return false;
		s += strspn(s, "0123456789");
	}
	return *s == '\0';
}

/* A number, or NULL where the text is none. */
static cJSON *
resolve_number(const char *s)
{
	char buf[128];
	size_t n = 0;
	double v;

	if (strchr("0123456789+-.", *s) == NULL || strlen(s) >= sizeof(buf))
		return NULL;
	for (const char *p = s; *p != '\0'; p++)
		if (*p != '_')
			buf[n++] = *p;
	buf[n] = '\0';
	if (parse_int(buf, &v))
		return cJSON_CreateNumber(v);
	if (!is_float(buf))
		return NULL;
	v = strtod(buf, NULL);
	return isfinite(v) ? cJSON_CreateNumber(v) : NULL;
}

/* A word of YAML's own; NULL where it is none. */
static cJSON *
resolve_word(const char *s, bool *ret_is_inf)
{
	static const char *const nulls[] = { "", "~", "null", "Null", "NULL", NULL };
	static const char *const trues[] = { "true", "True", "TRUE", "yes", "Yes",
		"YES", "on", "On", "ON", "y", "Y", NULL };
	static const char *const falses[] = { "false", "False", "FALSE", "no", "No",
		"NO", "off", "Off", "OFF", "n", "N", NULL };
	static const char *const infs[] = { ".inf", ".Inf", ".INF", "+.inf", "+.Inf",
		"+.INF", "-.inf", "-.Inf", "-.INF", ".nan", ".NaN", ".NAN", NULL };

	if (yaml_is_one_of(s, nulls))
		return cJSON_CreateNull();
	if (yaml_is_one_of(s, trues))
		return cJSON_CreateTrue();
	if (yaml_is_one_of(s, falses))
		return cJSON_CreateFalse();
	*ret_is_inf = yaml_is_one_of(s, infs);
	return NULL;
}

cJSON *
yaml_plain_scalar(const char *s)
{
	enum { WORD_MAX = 5 };	/* "false": longer ones need not be compared */
	cJSON *node = NULL;
	bool is_inf = false;

	if (strnlen(s, WORD_MAX + 1) <= WORD_MAX)
		node = resolve_word(s, &is_inf);
	if (is_inf)
		return NULL;
	if (node == NULL)
		node = resolve_number(s);
	return node != NULL ? node : cJSON_CreateString(s);
}

#ifndef OKTA_RELAY_CPOSTGRES_H
#define OKTA_RELAY_CPOSTGRES_H
#include <libpq-fe.h>
#endif

#ifndef OKTA_RELAY_CCURL_H
#define OKTA_RELAY_CCURL_H
#include <curl/curl.h>
#endif

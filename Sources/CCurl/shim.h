#ifndef OKTA_RELAY_CCURL_H
#define OKTA_RELAY_CCURL_H
#include <curl/curl.h>

/* libcurl's setters and getters are variadic, which Swift cannot call. One typed function for each kind of
   argument: https://curl.se/libcurl/c/curl_easy_setopt.html names the kind that each option takes. */

static inline CURLcode relay_curl_set_long(CURL *easy, CURLoption option, long value) {
    return curl_easy_setopt(easy, option, value);
}

static inline CURLcode relay_curl_set_offset(CURL *easy, CURLoption option, curl_off_t value) {
    return curl_easy_setopt(easy, option, value);
}

static inline CURLcode relay_curl_set_string(CURL *easy, CURLoption option, const char *value) {
    return curl_easy_setopt(easy, option, value);
}

static inline CURLcode relay_curl_set_pointer(CURL *easy, CURLoption option, const void *value) {
    return curl_easy_setopt(easy, option, value);
}

static inline CURLcode relay_curl_set_list(CURL *easy, CURLoption option, struct curl_slist *value) {
    return curl_easy_setopt(easy, option, value);
}

static inline CURLcode relay_curl_set_write_function(
    CURL *easy, CURLoption option, curl_write_callback value) {
    return curl_easy_setopt(easy, option, value);
}

static inline CURLcode relay_curl_set_opensocket_function(CURL *easy, curl_opensocket_callback value) {
    return curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, value);
}

static inline CURLcode relay_curl_set_prereq_function(CURL *easy, curl_prereq_callback value) {
    return curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, value);
}

static inline CURLcode relay_curl_get_long(CURL *easy, CURLINFO field, long *value) {
    return curl_easy_getinfo(easy, field, value);
}

static inline CURLcode relay_curl_get_offset(CURL *easy, CURLINFO field, curl_off_t *value) {
    return curl_easy_getinfo(easy, field, value);
}

static inline CURLMcode relay_curl_multi_set_long(CURLM *multi, CURLMoption option, long value) {
    return curl_multi_setopt(multi, option, value);
}

/* The member `data` of CURLMsg is a union that is only a result for CURLMSG_DONE. */
static inline CURLcode relay_curl_message_result(const CURLMsg *message) {
    return message->data.result;
}

#endif

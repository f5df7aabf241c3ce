/*
 * probe_grpc.h - the two messages of grpc.health.v1.Health/Check, and gRPC's
 * frame around each. Pure; probe_http_io.c carries them.
 */
#ifndef HERALD_IPVS_PROBE_GRPC_H
#define HERALD_IPVS_PROBE_GRPC_H

#include <stddef.h>
#include <stdint.h>

#define PROBE_GRPC_PATH "/grpc.health.v1.Health/Check"

enum {
	PROBE_GRPC_SERVICE_MAX = 255,
	PROBE_GRPC_REQUEST_MAX = 5 + 3 + PROBE_GRPC_SERVICE_MAX,
};

/* HealthCheckResponse.ServingStatus; an unknown number is passed on as it is. */
enum probe_grpc_status {
	PROBE_GRPC_UNKNOWN	   = 0,
	PROBE_GRPC_SERVING	   = 1,
	PROBE_GRPC_NOT_SERVING	   = 2,
	PROBE_GRPC_SERVICE_UNKNOWN = 3,
};

/* A framed request; service is cut at PROBE_GRPC_SERVICE_MAX. Returns its length. */
size_t probe_grpc_encode(const char *service, uint8_t buf[PROBE_GRPC_REQUEST_MAX]);

/*
 * The status in a framed response, which must be whole and alone. 0, or
 * -EBADMSG with *ret_status untouched.
 */
int probe_grpc_decode(const uint8_t *buf, size_t len, uint64_t *ret_status);

#endif

/* What a gRPC server answers to a health check. */
#include <stdlib.h>

#include "ipvs/probe_grpc.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t status = 77;

	if (probe_grpc_decode(data, size, &status) != 0 && status != 77)
		abort();
	return 0;
}

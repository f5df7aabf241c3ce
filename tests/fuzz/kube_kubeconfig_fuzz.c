/* The text of a kubeconfig file. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "kube/kubeconfig_decode.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct kubeconfig k;
	struct kube_error err = { "" };

	if (kubeconfig_decode((const char *)data, size, "config", &k, &err) != 0) {
		if (err.text[0] == '\0')
			abort();	/* every refusal has a reason */
		return 0;
	}
	for (size_t i = 0; i < k.nclusters; i++)
		if (k.clusters[i].name == NULL)
			abort();
	kubeconfig_fini(&k);
	return 0;
}

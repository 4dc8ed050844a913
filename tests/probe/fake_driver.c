/* Stands for libnvidia-ml.so.1 and libcuda.so.1 on a machine without a GPU: the calls that the probe makes through the
   real pynvml, with the same C signatures. GPU 0 answers, GPU 1 lacks MIG, ECC, NVLink and a fabric, GPU 2 never answers
   and ignores SIGTERM, GPU 3 has fallen off the bus. FAKE_NVML_INIT is what nvmlInit returns. */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { OK = 0, NOT_SUPPORTED = 3, DRIVER_NOT_LOADED = 9, FUNCTION_NOT_FOUND = 13, GPU_IS_LOST = 15, VERSION_MISMATCH = 18 };

typedef uintptr_t Gpu; /* the index plus one */
typedef struct { char legacy[16]; unsigned domain, bus, device, device_id, subsystem_id; char bus_id[32]; } Pci;
typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned version; unsigned char cluster[16]; unsigned status, clique; unsigned char state; unsigned health; } FabricV2;

const char *nvmlErrorString(int code) {
  switch (code) {
  case NOT_SUPPORTED: return "Not Supported";
  case DRIVER_NOT_LOADED: return "Driver Not Loaded";
  case GPU_IS_LOST: return "GPU is lost";
  case VERSION_MISMATCH: return "Driver/library version mismatch";
  default: return "Unknown Error";
  }
}
int nvmlInitWithFlags(unsigned flags) { const char *said = getenv("FAKE_NVML_INIT"); return said ? atoi(said) : OK; }
int nvmlSystemGetDriverVersion(char *out, unsigned size) { snprintf(out, size, "550.54.15"); return OK; }
int nvmlDeviceGetCount_v2(unsigned *count) { *count = 4; return OK; }
int nvmlDeviceGetHandleByIndex_v2(unsigned index, Gpu *gpu) {
  if (index == 2) { signal(SIGTERM, SIG_IGN); for (;;) sleep(1000); }
  *gpu = index + 1;
  return index == 3 ? GPU_IS_LOST : OK;
}
int nvmlDeviceGetName(Gpu gpu, char *out, unsigned size) { snprintf(out, size, gpu == 1 ? "NVIDIA H100 80GB HBM3" : "Tesla P4"); return OK; }
int nvmlDeviceGetCudaComputeCapability(Gpu gpu, int *major, int *minor) { *major = gpu == 1 ? 9 : 6; *minor = gpu == 1 ? 0 : 1; return OK; }
int nvmlDeviceGetMemoryInfo(Gpu gpu, Memory *memory) { memory->total = 81559ULL << 20; memory->free = 81004ULL << 20; memory->used = 555ULL << 20; return OK; }
int nvmlDeviceGetMigMode(Gpu gpu, unsigned *current, unsigned *pending) { *current = 1; *pending = 0; return gpu == 1 ? OK : NOT_SUPPORTED; }
int nvmlDeviceGetEccMode(Gpu gpu, unsigned *current, unsigned *pending) { *current = 1; *pending = 1; return gpu == 1 ? OK : NOT_SUPPORTED; }
int nvmlDeviceGetTotalEccErrors(Gpu gpu, unsigned type, unsigned counter, unsigned long long *count) {
  *count = type == 1 && counter == 0 ? 7 : 0; /* uncorrected, volatile */
  return gpu == 1 ? OK : NOT_SUPPORTED;
}
int nvmlDeviceGetPciInfo_v3(Gpu gpu, Pci *pci) {
  memset(pci, 0, sizeof *pci);
  pci->device_id = 0x233010de;
  strcpy(pci->bus_id, "00000000:AB:00.0");
  return OK;
}
int nvmlDeviceGetNvLinkState(Gpu gpu, unsigned link, unsigned *active) {
  if (gpu != 1 || link >= 18) return 2; /* invalid argument: there is no such link */
  *active = link != 5;
  return OK;
}
int nvmlDeviceGetGpuFabricInfoV(Gpu gpu, FabricV2 *fabric) {
  if (fabric->version != (2u << 24 | sizeof *fabric)) return 25; /* argument version mismatch */
  memset(fabric->cluster, 0xff, sizeof *fabric - sizeof fabric->version);
  fabric->state = 2;
  return gpu == 1 ? OK : FUNCTION_NOT_FOUND;
}

int cuDriverGetVersion(int *version) {
  const char *said = getenv("FAKE_CUDA_VERSION");
  if (said == NULL) return 34; /* CUDA_ERROR_STUB_LIBRARY */
  if (strcmp(said, "hang") == 0) for (;;) sleep(1000);
  *version = atoi(said);
  return OK;
}

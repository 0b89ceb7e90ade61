#include <descent/autograd/grad_mode.h>

#include <utility>

namespace descent {
namespace {
thread_local bool t_frozen = false;
}

AnomalyGuard::AnomalyGuard(bool on) noexcept
    : before_(std::exchange(detail::t_anomaly_enabled, on)) {}
AnomalyGuard::~AnomalyGuard() { detail::t_anomaly_enabled = before_; }

bool statistics_frozen() noexcept { return t_frozen; }
FrozenStatisticsGuard::FrozenStatisticsGuard() noexcept : before_(std::exchange(t_frozen, true)) {}
FrozenStatisticsGuard::~FrozenStatisticsGuard() { t_frozen = before_; }

}  // namespace descent

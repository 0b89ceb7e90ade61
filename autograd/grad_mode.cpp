#include <descent/autograd/grad_mode.h>

#include <utility>

namespace descent {
namespace {
thread_local bool t_grad = true, t_anomaly = false, t_frozen = false;
}

bool grad_enabled() noexcept { return t_grad; }
detail::GradModeGuard::GradModeGuard(bool on) noexcept : before_(std::exchange(t_grad, on)) {}
detail::GradModeGuard::~GradModeGuard() { t_grad = before_; }

bool anomaly_enabled() noexcept { return t_anomaly; }
AnomalyGuard::AnomalyGuard(bool on) noexcept : before_(std::exchange(t_anomaly, on)) {}
AnomalyGuard::~AnomalyGuard() { t_anomaly = before_; }

bool statistics_frozen() noexcept { return t_frozen; }
FrozenStatisticsGuard::FrozenStatisticsGuard() noexcept : before_(std::exchange(t_frozen, true)) {}
FrozenStatisticsGuard::~FrozenStatisticsGuard() { t_frozen = before_; }

}  // namespace descent

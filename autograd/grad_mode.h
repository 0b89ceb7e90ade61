// Whether operators record themselves for backward: per thread, on at first.
#pragma once

namespace descent {

namespace detail {
// Of the calling thread.
inline constinit thread_local bool t_grad_enabled = true, t_anomaly_enabled = false,
                                   t_create_graph = false;
}  // namespace detail

inline bool grad_enabled() noexcept { return detail::t_grad_enabled; }

namespace detail {
/// Sets the mode and puts the old one back, also when an exception passes.
class GradModeGuard {
 public:
  explicit GradModeGuard(bool on) noexcept : before_(t_grad_enabled) { t_grad_enabled = on; }
  ~GradModeGuard() { t_grad_enabled = before_; }
  GradModeGuard(const GradModeGuard&) = delete;
  GradModeGuard& operator=(const GradModeGuard&) = delete;

 private:
  bool before_;
};

/// While one lives, Tensor::backward() leaves gradients that can be differentiated again.
class CreateGraphGuard {
 public:
  CreateGraphGuard() noexcept : before_(t_create_graph) { t_create_graph = true; }
  ~CreateGraphGuard() { t_create_graph = before_; }
  CreateGraphGuard(const CreateGraphGuard&) = delete;
  CreateGraphGuard& operator=(const CreateGraphGuard&) = delete;

 private:
  bool before_;
};
}  // namespace detail

/// Nothing is recorded on this thread while one lives.
struct NoGradGuard : detail::GradModeGuard {
  NoGradGuard() noexcept : GradModeGuard(false) {}
};
/// Recording is on again inside a NoGradGuard.
struct EnableGradGuard : detail::GradModeGuard {
  EnableGradGuard() noexcept : GradModeGuard(true) {}
};

/// While one lives, the thread checks every value and gradient for NaN, and the error names the
/// operator that made the first. Slow; for finding a bug.
class AnomalyGuard {
 public:
  explicit AnomalyGuard(bool on = true) noexcept;
  ~AnomalyGuard();
  AnomalyGuard(const AnomalyGuard&) = delete;
  AnomalyGuard& operator=(const AnomalyGuard&) = delete;

 private:
  bool before_;
};
inline bool anomaly_enabled() noexcept { return detail::t_anomaly_enabled; }

/// While one lives on a thread, layers leave their running statistics alone: for a forward pass
/// that is a probe, as SAM's second, and not a look at new data.
class FrozenStatisticsGuard {
 public:
  FrozenStatisticsGuard() noexcept;
  ~FrozenStatisticsGuard();
  FrozenStatisticsGuard(const FrozenStatisticsGuard&) = delete;
  FrozenStatisticsGuard& operator=(const FrozenStatisticsGuard&) = delete;

 private:
  bool before_;
};
bool statistics_frozen() noexcept;

}  // namespace descent

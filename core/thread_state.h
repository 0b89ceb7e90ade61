// Thread state: every mode that belongs to the calling thread, and the guard that sets it.
//
// A mode is ambient: code deep inside an operator reads it, although no argument says so. Each mode
// below has one variable, one guard and one function or variable to read. A guard sets the mode
// when it is made and puts back what it found when it dies, also when an exception passes. Guards
// nest, and die in the reverse order of their making; make them as local variables only.
//
// A new thread starts with the values written here. parallel_for() hands none of these modes to its
// tasks: a kernel therefore reads no mode, and whoever starts a kernel reads it first.
//
//   Mode                      Guard                          Read by
//   record for backward       NoGradGuard, EnableGradGuard   grad_enabled()
//   look for NaN              AnomalyGuard                   anomaly_enabled()
//   gradients keep a graph    detail::CreateGraphGuard       backward()
//   running node              detail::RunningNodeGuard       detail::current_node()
//   statistics stand still    FrozenStatisticsGuard          statistics_frozen()
//   statistics are averages   CumulativeStatisticsGuard      statistics_cumulative()
//   recording tape            detail::RecordOn               detail::recording()
//   summary's shapes          detail::SummaryGuard           nn::Module
//
// Two more states belong to a thread and live elsewhere:
//   random numbers            core/random.h: default_generator(); state() and set_state()
//   denormals                 core/floating_mode.h: FloatingMode and FlushDenormals
//
// The other thread-local variables are caches or queues and no modes: no result depends on them.
//   core/free_lists.h         t_lists: the blocks that the thread keeps; memory.cpp flushes it
//   autograd/node.h           t_node_count: the counter behind live_nodes()
//   autograd/node.h           t_order: the last number that the thread gave to a node
//   autograd/node.cpp         t_disposed, t_disposing: the nodes that wait to be destroyed
#pragma once

#include <utility>

namespace descent {

namespace detail {

struct GradEdge;       // core/storage.h; autograd's Node derives from it
class Tape;            // core/tape.h
struct SummaryShapes;  // nn/module.cpp

/// Sets a thread's mode, and puts back what it found. The mode must be of the calling thread.
template <class T>
class ModeGuard {
 public:
  ModeGuard(T& mode, T value) noexcept : mode_(mode), before_(std::exchange(mode, value)) {}
  ~ModeGuard() { mode_ = before_; }
  ModeGuard(const ModeGuard&) = delete;
  ModeGuard& operator=(const ModeGuard&) = delete;

 private:
  T& mode_;
  T before_;
};

// The modes, of the calling thread. Read them through the functions below.
inline constinit thread_local bool t_grad_enabled = true;
inline constinit thread_local bool t_anomaly_enabled = false;
inline constinit thread_local bool t_create_graph = false;
inline constinit thread_local bool t_statistics_frozen = false;
inline constinit thread_local bool t_statistics_cumulative = false;
inline constinit thread_local const GradEdge* t_running_node = nullptr;
inline constinit thread_local Tape* t_tape = nullptr;
inline constinit thread_local SummaryShapes* t_summary = nullptr;

}  // namespace detail

/// @name Recording for backward
/// Whether operators record themselves for backward(). On at first.
/// @{

/// True if operators on this thread record themselves.
inline bool grad_enabled() noexcept { return detail::t_grad_enabled; }

/// While one lives, operators on this thread record nothing: for evaluation, and for writing to
/// parameters.
///
///   const NoGradGuard no_grad;
///   weight.mul_(0.5);
struct NoGradGuard : detail::ModeGuard<bool> {
  NoGradGuard() noexcept : ModeGuard(detail::t_grad_enabled, false) {}
};

/// While one lives, operators on this thread record themselves, also inside a NoGradGuard.
struct EnableGradGuard : detail::ModeGuard<bool> {
  EnableGradGuard() noexcept : ModeGuard(detail::t_grad_enabled, true) {}
};

namespace detail {
/// While one lives, operators on this thread record themselves if `on` is true.
struct GradModeGuard : ModeGuard<bool> {
  explicit GradModeGuard(bool on) noexcept : ModeGuard(t_grad_enabled, on) {}
};

/// While one lives, backward() on this thread makes gradients that can be differentiated again, as
/// with GradOptions::create_graph. An optimizer of second order puts one around the closure.
struct CreateGraphGuard : ModeGuard<bool> {
  CreateGraphGuard() noexcept : ModeGuard(t_create_graph, true) {}
};

/// While one lives, `node` is the operator that errors of this thread name. The node must outlive
/// the guard.
struct RunningNodeGuard : ModeGuard<const GradEdge*> {
  explicit RunningNodeGuard(const GradEdge* node) noexcept : ModeGuard(t_running_node, node) {}
};
}  // namespace detail
/// @}

/// @name Looking for NaN
/// @{

/// True if this thread checks every value and gradient for NaN.
inline bool anomaly_enabled() noexcept { return detail::t_anomaly_enabled; }

/// While one lives, this thread checks every value and gradient for NaN. The first operator that
/// makes one throws NonFiniteError with its name. This is slow: use it to find a bug.
struct AnomalyGuard : detail::ModeGuard<bool> {
  explicit AnomalyGuard(bool on = true) noexcept : ModeGuard(detail::t_anomaly_enabled, on) {}
};
/// @}

/// @name Running statistics
/// How batch normalisation treats its running mean and variance in a forward pass of training.
/// @{

/// True if layers leave their running statistics alone.
inline bool statistics_frozen() noexcept { return detail::t_statistics_frozen; }

/// While one lives, layers on this thread leave their running statistics alone: for a forward pass
/// that only probes, such as the second pass of SAM.
struct FrozenStatisticsGuard : detail::ModeGuard<bool> {
  FrozenStatisticsGuard() noexcept : ModeGuard(detail::t_statistics_frozen, true) {}
};

/// True if running statistics are the plain average of all batches.
inline bool statistics_cumulative() noexcept { return detail::t_statistics_cumulative; }

/// While one lives, running statistics on this thread become the plain average of all batches since
/// they were reset. Otherwise a new batch has the weight BatchNormOptions::momentum.
struct CumulativeStatisticsGuard : detail::ModeGuard<bool> {
  CumulativeStatisticsGuard() noexcept : ModeGuard(detail::t_statistics_cumulative, true) {}
};
/// @}

namespace detail {
/// @name A compiled step
/// @{

/// True if a tape records on this thread.
inline bool recording() noexcept { return t_tape != nullptr; }

/// While one lives, this thread records on `tape`; with null it records nothing. The tape must
/// outlive the guard.
struct RecordOn : ModeGuard<Tape*> {
  explicit RecordOn(Tape* tape) noexcept : ModeGuard(t_tape, tape) {}
};
/// @}

/// While one lives, modules on this thread note the shape of their output in `shapes`, for
/// Module::summary(). The shapes must outlive the guard.
struct SummaryGuard : ModeGuard<SummaryShapes*> {
  explicit SummaryGuard(SummaryShapes* shapes) noexcept : ModeGuard(t_summary, shapes) {}
};
}  // namespace detail

}  // namespace descent

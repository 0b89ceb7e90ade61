// Thread state: every mode that belongs to the calling thread, and the guard that sets it.
//
// A mode works without an argument: code deep inside an operator reads the mode of its thread. Each
// mode below has a variable, a guard that sets the mode, and a function that reads the mode. A
// guard sets the mode in its constructor and puts back the earlier value in its destructor. The
// destructor runs also when an exception passes. Guards may nest. Make guards as local variables
// only, so that they are destroyed in the reverse order.
//
// A new thread starts with the values that this file gives. parallel_for() does not pass these
// modes on to its tasks. A kernel therefore reads no mode. If a kernel depends on a mode, its
// caller reads the mode before the kernel starts.
//
//   Mode                      Guard                          Read by
//   record for backward       NoGradGuard, EnableGradGuard   grad_enabled()
//   look for NaN              AnomalyGuard                   anomaly_enabled()
//   gradients keep a graph    detail::CreateGraphGuard       backward()
//   running node              detail::RunningNodeGuard       detail::current_node()
//   what K-FAC sees           detail::FisherGuard            linear() and losses, in backward()
//   statistics stand still    FrozenStatisticsGuard          statistics_frozen()
//   statistics are averages   CumulativeStatisticsGuard      statistics_cumulative()
//   recording tape            detail::RecordOn               detail::recording()
//   summary's shapes          detail::SummaryGuard           nn::Module
//
// Two more states belong to a thread and live elsewhere:
//   random numbers            core/random.h: default_generator(); state() and set_state()
//   denormals                 core/floating_mode.h: FloatingMode, FlushDenormals and CallersMode
//
// The other thread-local variables are caches, queues or counters, but not modes. No result depends
// on these variables.
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
struct FisherPass;     // autograd/fisher.h

/// Sets a mode of the calling thread. The destructor puts back the value that the mode had before.
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

// The modes of the calling thread. Read a mode through its function below.
inline constinit thread_local bool t_grad_enabled = true;
inline constinit thread_local bool t_anomaly_enabled = false;
inline constinit thread_local bool t_create_graph = false;
inline constinit thread_local bool t_statistics_frozen = false;
inline constinit thread_local bool t_statistics_cumulative = false;
inline constinit thread_local const GradEdge* t_running_node = nullptr;
inline constinit thread_local Tape* t_tape = nullptr;
inline constinit thread_local SummaryShapes* t_summary = nullptr;
inline constinit thread_local FisherPass* t_fisher = nullptr;

}  // namespace detail

/// @name Recording for backward
/// Whether operators record themselves for backward(). A new thread records.
/// @{

/// True if operators on this thread record themselves.
inline bool grad_enabled() noexcept { return detail::t_grad_enabled; }

/// While a NoGradGuard lives, operators on its thread record nothing. Use it to evaluate a model
/// and to write to parameters.
///
///   const NoGradGuard no_grad;
///   weight.mul_(0.5);
struct NoGradGuard : detail::ModeGuard<bool> {
  NoGradGuard() noexcept : ModeGuard(detail::t_grad_enabled, false) {}
};

/// While an EnableGradGuard lives, operators on its thread record themselves, even inside a
/// NoGradGuard.
struct EnableGradGuard : detail::ModeGuard<bool> {
  EnableGradGuard() noexcept : ModeGuard(detail::t_grad_enabled, true) {}
};

namespace detail {
/// While a GradModeGuard lives, operators on its thread record themselves if `on` is true, and
/// record nothing if `on` is false.
struct GradModeGuard : ModeGuard<bool> {
  explicit GradModeGuard(bool on) noexcept : ModeGuard(t_grad_enabled, on) {}
};

/// While a CreateGraphGuard lives, backward() on its thread acts as if GradOptions::create_graph
/// were true: the gradients can be differentiated again. An optimizer that needs second derivatives
/// runs the closure inside such a guard.
struct CreateGraphGuard : ModeGuard<bool> {
  CreateGraphGuard() noexcept : ModeGuard(t_create_graph, true) {}
};

/// While a RunningNodeGuard lives, errors on its thread name the operator `node`. The node must
/// outlive the guard.
struct RunningNodeGuard : ModeGuard<const GradEdge*> {
  explicit RunningNodeGuard(const GradEdge* node) noexcept : ModeGuard(t_running_node, node) {}
};
}  // namespace detail
/// @}

/// @name Looking for NaN
/// @{

/// True if this thread checks every value and gradient for NaN.
inline bool anomaly_enabled() noexcept { return detail::t_anomaly_enabled; }

/// While an AnomalyGuard lives, its thread checks every value and every gradient for NaN. The first
/// operator that makes a NaN throws NonFiniteError, which names the operator. The check is slow:
/// use it to find a bug.
struct AnomalyGuard : detail::ModeGuard<bool> {
  explicit AnomalyGuard(bool on = true) noexcept : ModeGuard(detail::t_anomaly_enabled, on) {}
};
/// @}

/// @name Running statistics
/// How batch normalisation treats its running mean and variance in a forward pass of training.
/// @{

/// True if layers on this thread leave their running statistics unchanged.
inline bool statistics_frozen() noexcept { return detail::t_statistics_frozen; }

/// While a FrozenStatisticsGuard lives, layers on its thread leave their running statistics
/// unchanged. It is for extra forward passes, such as the second pass of SAM.
struct FrozenStatisticsGuard : detail::ModeGuard<bool> {
  FrozenStatisticsGuard() noexcept : ModeGuard(detail::t_statistics_frozen, true) {}
};

/// True if layers on this thread compute running statistics as the plain average of all batches.
inline bool statistics_cumulative() noexcept { return detail::t_statistics_cumulative; }

/// While a CumulativeStatisticsGuard lives, running statistics on its thread become the plain
/// average of all batches since the last reset. Without the guard, a new batch has the weight
/// BatchNormOptions::momentum.
struct CumulativeStatisticsGuard : detail::ModeGuard<bool> {
  CumulativeStatisticsGuard() noexcept : ModeGuard(detail::t_statistics_cumulative, true) {}
};
/// @}

namespace detail {
/// @name A compiled step
/// @{

/// True if a tape records on this thread.
inline bool recording() noexcept { return t_tape != nullptr; }

/// While a RecordOn lives, its thread records on `tape`. If `tape` is null, the thread records
/// nothing. The tape must outlive the guard.
struct RecordOn : ModeGuard<Tape*> {
  explicit RecordOn(Tape* tape) noexcept : ModeGuard(t_tape, tape) {}
};
/// @}

/// While a SummaryGuard lives, modules on its thread write the shape of their output into `shapes`,
/// for Module::summary(). `shapes` must outlive the guard.
struct SummaryGuard : ModeGuard<SummaryShapes*> {
  explicit SummaryGuard(SummaryShapes* shapes) noexcept : ModeGuard(t_summary, shapes) {}
};
}  // namespace detail

}  // namespace descent

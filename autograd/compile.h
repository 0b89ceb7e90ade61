// compile: a training step that is recorded once and then replayed, without graph, allocation or
// dispatch.
//
//   auto step = descent::compile([&](const Tensor& x, const Tensor& y) {
//     optimizer.zero_grad();
//     Tensor loss = nn::cross_entropy(model(x), y);
//     loss.backward();
//     optimizer.step();
//     return loss;
//   });
//   for (auto [x, y] : loader) total += step(x, y).item();
//
// The first call with inputs of some shapes runs the function as always, and records every kernel
// that the function reaches. Later calls with those shapes copy the inputs in and run the kernels
// again, on the same memory. The results have the same bits as without compile(). All of Descent
// takes part: schedules, clipping, SAM, averages, batch normalisation, second derivatives, and
// dropout, which draws anew at each replay.
//
// What the function decides, it decides while it is recorded:
// - Reading a value (item(), to_vector(), data_ptr(), printing) throws GraphError.
// - optimizer.step(closure) gives NaN in place of the loss.
// - Ordinary variables keep what they had. State that changes from step to step belongs in tensors
//   that are made outside the function and written in place.
// - Hooks run only while recording; the operators that they call are replayed.
//
// Some changes outside are noticed and lead to a new recording: Module::train() and eval(); a
// parameter that was frozen, unfrozen or given other memory; an optimizer that was replaced or
// wrapped; gradients that are there at the start of the step, or not. After any other change call
// reset(). Under an AnomalyGuard the function runs as always.
//
// Memory: the inputs are copies, so writing to one does not reach the caller's tensor. Gradients,
// and whatever else the step made, lie in the step's memory, which the next replay fills anew:
// clone() what is to be kept. What the step returns is a copy without a history.
//
// Lifetime: optimizers, modules, generators and everything else that the function refers to must
// outlive the compiled step. Threads: a compiled step is not thread-safe; recording concerns the
// calling thread alone.
#pragma once

#include <descent/core/tensor.h>

#include <array>
#include <functional>
#include <memory>
#include <span>
#include <type_traits>
#include <vector>

namespace descent {

/// Options of compile().
struct CompileOptions {
  /// Recordings that are kept, one for each set of input shapes. If there are more, the one that
  /// was not used for longest goes. At least 1.
  std::size_t cache = 8;
};

namespace detail {

/// The recordings of one function from tensors to tensors.
class Recordings {
 public:
  using Function = std::function<std::vector<Tensor>(std::span<const Tensor>)>;
  Recordings(Function f, CompileOptions options);
  Recordings(Recordings&&) noexcept;
  Recordings& operator=(Recordings&&) noexcept;
  ~Recordings();

  /// Replays the recording that fits the inputs, or makes one. Returns copies of the outputs.
  std::vector<Tensor> run(std::span<const Tensor> inputs);
  /// As run(), for a function with one output.
  Tensor run_for_one(std::span<const Tensor> inputs);
  /// Forgets all recordings.
  void clear();
  /// Recordings at present.
  std::size_t size() const;
  /// Kernels and other actions in the recording that was used last.
  std::size_t kernels() const;
  /// Memory of all recordings.
  std::size_t bytes() const;

 private:
  struct Recording;
  const std::vector<Tensor>& replay_or_record(std::span<const Tensor> inputs);

  Function f_;
  CompileOptions options_;
  std::vector<std::unique_ptr<Recording>> recordings_;  // the one used last in front
};

}  // namespace detail

/// What compile() gives: a function object that replays its recordings. It owns the function and
/// the recordings; it can be moved, not copied.
template <class F>
class CompiledStep {
 public:
  /// See compile().
  CompiledStep(F f, CompileOptions options)
      : recordings_([f = std::move(f)](std::span<const Tensor> x) mutable { return call(f, x); },
                    options) {}

  /// Runs the step. Takes as many tensors as the function, of any shape. Returns what the function
  /// returns: a Tensor, a vector of them, or nothing. Throws GraphError for an input that requires
  /// a gradient, and whatever the function throws.
  template <class... T>
  requires(std::is_convertible_v<const T&, Tensor>&&...) auto operator()(const T&... inputs) {
    const std::array<Tensor, sizeof...(T)> all{inputs...};
    using Result = std::invoke_result_t<F&, const T&...>;
    if constexpr (std::is_void_v<Result>)
      recordings_.run(all);
    else if constexpr (std::is_convertible_v<Result, Tensor>)
      return recordings_.run_for_one(all);
    else
      return recordings_.run(all);
  }

  /// Forgets all recordings.
  void reset() { recordings_.clear(); }
  /// Recordings at present.
  std::size_t recordings() const { return recordings_.size(); }
  /// Kernels and other actions in the recording that was used last.
  std::size_t kernels() const { return recordings_.kernels(); }
  /// Bytes that the recordings own: inputs and everything made inside.
  std::size_t bytes() const { return recordings_.bytes(); }

 private:
  template <std::size_t... kAt>
  static std::vector<Tensor> call_with(F& f, std::span<const Tensor> x,
                                       std::index_sequence<kAt...>) {
    using Result = decltype(f(x[kAt]...));
    if constexpr (std::is_void_v<Result>) {
      f(x[kAt]...);
      return {};
    } else if constexpr (std::is_convertible_v<Result, Tensor>) {
      return {f(x[kAt]...)};
    } else {
      return f(x[kAt]...);
    }
  }
  template <std::size_t N = 0>
  static std::vector<Tensor> call(F& f, std::span<const Tensor> x) {
    if constexpr (N > 8) {
      static_assert(N <= 8, "a compiled function takes up to eight const Tensor&");
      return {};
    } else if constexpr (takes<N>(std::make_index_sequence<N>())) {
      return call_with(f, x, std::make_index_sequence<N>());
    } else {
      return call<N + 1>(f, x);
    }
  }
  template <std::size_t>
  using Input = const Tensor&;
  template <std::size_t N, std::size_t... kAt>
  static constexpr bool takes(std::index_sequence<kAt...>) {
    return std::is_invocable_v<F&, Input<kAt>...>;
  }

  detail::Recordings recordings_;
};

/// Compiles f, a function of up to eight const Tensor&, for each set of input shapes and types that
/// it meets. Throws ValueError for a cache of 0. See the top of this file.
template <class F>
CompiledStep<F> compile(F f, CompileOptions options = {}) {
  return CompiledStep<F>(std::move(f), options);
}

}  // namespace descent

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
// that the function reaches. Later calls with the same shapes copy the inputs in and run the
// recorded kernels again, on the same memory. The results have the same bits as without compile().
// All of Descent takes part: schedules, clipping, SAM, averages, batch normalisation, second
// derivatives, and dropout, which draws anew at each replay.
//
// The function's C++ code runs only while it is recorded, and not at a replay:
// - Reading a value (item(), to_vector(), data_ptr(), printing) throws GraphError.
// - optimizer.step(closure) gives NaN in place of the loss.
// - Ordinary C++ variables, such as counters, keep the values that they had. If a state changes
//   from step to step, keep it in a tensor that is made outside the function, and write the tensor
//   in place.
// - Hooks run only while recording. The operators that a hook calls are replayed.
//
// After some changes outside the function, the next call makes a new recording:
// - Module::train() or eval() was called;
// - a parameter was frozen, unfrozen or given other memory;
// - an optimizer was replaced or wrapped;
// - a gradient is there at the start of the step and was not there while recording, or the reverse.
// After any other change call reset(). Under an AnomalyGuard the function runs without a recording.
//
// Memory: the function gets copies of the inputs, so writing to an input does not reach the
// caller's tensor. Gradients and other tensors that the step made lie in the memory of the step.
// The next replay writes over this memory: clone() a tensor that you want to keep. The tensors that
// the step returns are copies without a history.
//
// Lifetime: optimizers, modules, generators and everything else that the function refers to must
// outlive the compiled step. Threads: a compiled step is not thread-safe. Only the calling thread
// records.
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
  /// How many recordings are kept, at least 1. There is a recording for each set of input shapes
  /// and types. If there are too many, the least recently used recording is dropped.
  std::size_t cache = 8;
};

namespace detail {

[[noreturn]] void fail_without_function();

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
  /// The same as run(), for a function with one output. Returns a copy of the output.
  Tensor run_for_one(std::span<const Tensor> inputs);
  /// Forgets all recordings.
  void clear();
  /// The number of recordings that are kept now.
  std::size_t size() const;
  /// The number of kernels and other actions in the recording that was used last.
  std::size_t kernels() const;
  /// Memory of all recordings.
  std::size_t bytes() const;

 private:
  struct Recording;
  const std::vector<Tensor>& replay_or_record(std::span<const Tensor> inputs);

  Function f_;
  CompileOptions options_;
  std::vector<std::unique_ptr<Recording>> recordings_;  // sorted by use, the latest in front
};

}  // namespace detail

/// The result of compile(): a function object that replays its recordings. A CompiledStep owns the
/// function and the recordings. It can be moved, but not copied.
template <class F>
class CompiledStep {
 public:
  /// See compile().
  CompiledStep(F f, CompileOptions options)
      : recordings_(
            [f = checked(std::move(f))](std::span<const Tensor> x) mutable { return call(f, x); },
            options) {}

  /// Runs the step. Takes as many tensors as the function, of any shape. Returns what the function
  /// returns: a Tensor, a vector of tensors, or nothing. Throws GraphError for an input that
  /// requires a gradient. Passes on every exception of the function.
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
  /// The number of recordings that are kept now.
  std::size_t recordings() const { return recordings_.size(); }
  /// The number of kernels and other actions in the recording that was used last.
  std::size_t kernels() const { return recordings_.kernels(); }
  /// Bytes that the recordings own: inputs and everything made inside.
  std::size_t bytes() const { return recordings_.bytes(); }

 private:
  static F&& checked(F&& f) {
    if constexpr (requires { f == nullptr; })
      if (f == nullptr) detail::fail_without_function();
    return std::move(f);
  }
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
/// the step meets. Throws ValueError for an empty function or a cache of 0. See the top of this
/// file.
template <class F>
CompiledStep<F> compile(F f, CompileOptions options = {}) {
  return CompiledStep<F>(std::move(f), options);
}

}  // namespace descent

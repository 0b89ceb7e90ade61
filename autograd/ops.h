// Every differentiable operator, as a free function.
//
//   Tensor y = relu(matmul(x, w) + b);
//   Tensor loss = mean(square(y - t));
//
// All operators follow these rules, unless a comment says otherwise:
// - Shapes broadcast by NumPy's rule. Shapes that do not fit throw ShapeError.
// - Element types are promoted by the rule of <descent/core/dtype.h>. A type that an operator does
//   not take throws DTypeError.
// - A dimension may be negative and then counts from the last. A dimension or an index out of range
//   throws ValueError.
// - Every operator can be differentiated to any order. Comparisons, argmax and other operators
//   without a derivative give a tensor without a history.
// - Operators read the modes of <descent/core/thread_state.h>: under a NoGradGuard they record
//   nothing.
//
// Tensor has many operators as members. Both forms are the same operator.
#pragma once

#include <descent/autograd/ops/activation.h>
#include <descent/autograd/ops/arithmetic.h>
#include <descent/autograd/ops/einsum.h>
#include <descent/autograd/ops/index.h>
#include <descent/autograd/ops/linalg.h>
#include <descent/autograd/ops/matmul.h>
#include <descent/autograd/ops/reduce.h>
#include <descent/autograd/ops/shape.h>

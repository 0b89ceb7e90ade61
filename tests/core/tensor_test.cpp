#include "tests/support/errors.h"

#include <descent/descent.h>
#include <sstream>

namespace descent {
namespace {

using testing::has_text;
using testing::message_of;
using Doubles = std::vector<double>;

TEST(Create, TakesNumbersInARow) {
  const std::array<unsigned char, 3> bytes{1, 2, 255};
  EXPECT_EQ(tensor(bytes).dtype(), kInt64);
  EXPECT_EQ(tensor(bytes).to_vector(), (Doubles{1, 2, 255}));
  EXPECT_EQ(tensor(std::vector<int>{1, -2, 3, 4}, {2, 2}).to_vector(), (Doubles{1, -2, 3, 4}));
  const std::vector<float> floats{1.5F, 2.5F};
  EXPECT_EQ(tensor(std::span(floats)).dtype(), kFloat32);
  EXPECT_EQ(tensor(std::span(floats)).to_vector(), (Doubles{1.5, 2.5}));
  const double plain[] = {1, 2};
  EXPECT_EQ(tensor(plain).dtype(), kFloat64);
  EXPECT_EQ(tensor(std::vector<long double>{0.5L}).dtype(), kFloat64);
  EXPECT_EQ(tensor(std::vector<bool>{true, false}).dtype(), kBool);
  EXPECT_EQ(tensor(std::vector<short>{}).shape(), Shape({0}));
  EXPECT_TRUE(has_text(message_of<ValueError>([] {
                         tensor({1UL, UINT64_MAX});
                       }),
                       "[tensor] got an integer above 9223372036854775807"));
  const std::vector<std::uint64_t> large{1, std::uint64_t{1} << 63};
  EXPECT_EQ(message_of<ValueError>([&] { tensor(large); }),
            "[tensor] got an integer above 9223372036854775807 at position 1, expected one that "
            "int64 can hold");
  EXPECT_EQ(message_of<ShapeError>([&] { tensor(bytes, {2}); }),
            "[tensor] got 3 values for shape (2,), expected 2");
}

TEST(Create, SharesMemoryThatIsThere) {
  std::vector<float> memory{1, 2, 3, 4};
  const Tensor t = from_blob(std::span(memory));
  t.mul_(2);
  EXPECT_EQ(memory, (std::vector<float>{2, 4, 6, 8}));
  EXPECT_EQ(from_blob(nullptr, {0}).numel(), 0);
  const char* null = "[from_blob] got a null pointer for shape (4,), expected the address of 4";
  EXPECT_TRUE(has_text(message_of<ValueError>([] { from_blob(nullptr, {4}); }), null));
  EXPECT_TRUE(has_text(
      message_of<ValueError>([] { from_blob(static_cast<double*>(nullptr), {4}); }), null));
  EXPECT_TRUE(has_text(message_of<MemoryError>([] {
                         zeros({1 << 20, 1 << 20, 4});
                       }),
                       "got shape (1048576, 1048576, 4) of float32, which takes 17592186044416"));
}

TEST(Assignment, ToAPartWritesTheElements) {
  Tensor t = zeros({3, 3});
  t[0] = ones({3});
  t.slice(1, 2) = 5;
  t.select(0, 1).narrow(0, 0, 2) = tensor({7, 8});
  EXPECT_EQ(t.to_vector(), (Doubles{1, 1, 5, 7, 8, 5, 0, 0, 5}));
  t[2] = t[1];
  EXPECT_EQ(t[2].to_vector(), t[1].to_vector());
  const Tensor fixed = t;
  fixed[0][0] = -1;
  EXPECT_EQ(t[0][0].item(), -1);
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] { t[0] = ones({2}); }), "(2,)"));
  t = ones({1});  // a handle names another tensor
  EXPECT_EQ(fixed.numel(), 9);
  std::ostringstream out;
  out << fixed.dtype() << " " << kInt64;
  EXPECT_EQ(out.str(), "float32 int64");
}

TEST(Tensor, SaysWhyItIsUndefined) {
  Tensor w = ones({2}).requires_grad_();
  sum(w).backward();
  w = w - w.grad() * 0.1;
  sum(w).backward();
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { w = w - w.grad() * 0.1; }),
                       "after w = w - lr * w.grad(), w is no leaf any more: write w.sub_("));
}

TEST(DTypes, PromoteToTheWider) {
  EXPECT_EQ((ones({2}, kBool) + ones({2}, kInt64)).dtype(), kInt64);
  EXPECT_EQ((ones({2}, kInt64) + ones({2}, kFloat32)).dtype(), kFloat32);
  EXPECT_EQ((ones({2}, kFloat32) + ones({2}, kFloat64)).dtype(), kFloat64);
  EXPECT_EQ((ones({2}, kFloat32) + 0.1).dtype(), kFloat32);
  EXPECT_EQ((ones({2}, kInt64) + 1).dtype(), kInt64);
  EXPECT_EQ((ones({2}, kInt64) + 0.5).dtype(), kFloat32);
  EXPECT_EQ((ones({2}, kInt64) / 2).dtype(), kFloat32);
  EXPECT_EQ(exp(ones({2}, kInt64)).dtype(), kFloat32);
  EXPECT_EQ(sum(ones({2}, kBool)).dtype(), kInt64);
}

TEST(DTypes, KeepLargeIntegersExact) {
  const std::int64_t big = (std::int64_t{1} << 53) + 1;
  EXPECT_EQ((full({}, big, kInt64) + 1).item<std::int64_t>(), big + 1);
  EXPECT_EQ(tensor({big})[0].item<std::int64_t>(), big);
  EXPECT_EQ(tensor(std::vector<std::int64_t>{big}).sum().item<std::int64_t>(), big);
}

TEST(DTypes, ConvertWithoutUndefinedValues) {
  const Tensor x = tensor(Doubles{1.9, -1.9, NAN, 1e300, -1e300});
  const auto i = x.to(kInt64).to_vector<std::int64_t>();
  EXPECT_EQ(i, (std::vector<std::int64_t>{1, -1, 0, INT64_MAX, INT64_MIN}));
  EXPECT_EQ(x.to(kBool).to_vector<bool>(), (std::vector<bool>{true, true, true, true, true}));
}

TEST(Creation, GivesTheValuesItSays) {
  EXPECT_EQ(zeros({2, 2}).to_vector(), (Doubles{0, 0, 0, 0}));
  EXPECT_EQ(full({2}, 2.5).to_vector(), (Doubles{2.5, 2.5}));
  EXPECT_EQ(eye(2, 3).to_vector(), (Doubles{1, 0, 0, 0, 1, 0}));
  EXPECT_EQ(arange(4).to_vector(), (Doubles{0, 1, 2, 3}));
  EXPECT_EQ(arange(4).dtype(), kInt64);
  EXPECT_EQ(arange(1, 0, -0.25).to_vector(), (Doubles{1, 0.75, 0.5, 0.25}));
  EXPECT_EQ(arange(0.5, 6, 1.5, kInt64).to_vector(), (Doubles{0, 2, 3, 5}));
  EXPECT_EQ(arange(0.0, 3e19, 1e19, kInt64).to_vector<std::int64_t>(),
            (std::vector<std::int64_t>{0, INT64_MAX, INT64_MAX}));
  EXPECT_EQ(linspace(0, 1, 5, kFloat64).to_vector(), (Doubles{0, 0.25, 0.5, 0.75, 1}));
  EXPECT_EQ(linspace(0, 0.1, 4, kFloat64)[-1].item(), 0.1);
  EXPECT_EQ(one_hot(tensor({1, 0}), 3).to_vector(), (Doubles{0, 1, 0, 1, 0, 0}));
}

TEST(Scalar, KeepsTheNumberThatItWasMadeFrom) {
  EXPECT_EQ(Scalar(INT64_MIN).to_int(), INT64_MIN);
  const Scalar large(UINT64_MAX);
  EXPECT_EQ(large.dtype(), kFloat64);
  EXPECT_EQ(large.to_double(), 0x1p64);
  EXPECT_EQ(large.to_int(), INT64_MAX);
  EXPECT_EQ(Scalar(-1e300).to_int(), INT64_MIN);
  EXPECT_EQ(Scalar(NAN).to_int(), 0);
  EXPECT_EQ(Scalar(-2.9).to_int(), -2);
}

TEST(Creation, ReadsNestedLists) {
  const Tensor t = tensor({{1, 2, 3}, {4, 5, 6}});
  EXPECT_EQ(t.shape(), (Shape{2, 3}));
  EXPECT_EQ(t.dtype(), kInt64);
  EXPECT_EQ(tensor({1.5, 2.0}).dtype(), kFloat32);
  EXPECT_EQ(tensor({true, false}).dtype(), kBool);
  EXPECT_EQ(tensor({{{1.0}}, {{2.0}}}).shape(), (Shape{2, 1, 1}));
  EXPECT_EQ(tensor(3.0).shape(), Shape{});
  EXPECT_TRUE(has_text(message_of<ShapeError>([] {
                         tensor({{1, 2}, {3}});
                       }),
                       "[tensor] got a ragged list, expected 2 items"));
}

TEST(Creation, BorrowsMemoryWithoutCopying) {
  std::vector<float> values{1, 2, 3, 4};
  int deleted = 0;
  {
    const Tensor t = from_blob(values.data(), {2, 2}, [&](void*) { ++deleted; });
    const Tensor row = t[1];
    values[3] = 9;
    EXPECT_EQ(row[1].item(), 9);
    t[0].fill_(7);
    EXPECT_EQ(values[0], 7);
    EXPECT_EQ(deleted, 0);
  }
  EXPECT_EQ(deleted, 1);
}

TEST(Creation, RefusesWhatMakesNoSense) {
  EXPECT_TRUE(has_text(message_of<ValueError>([] { arange(0.0, 1e300, 1e-300); }),
                       "which are inf numbers, expected at most 2^48. Hint: take a larger step"));
  EXPECT_TRUE(has_text(message_of<ValueError>([] { arange(0, 1, -1); }),
                       "a step that leads from begin to end"));
  EXPECT_TRUE(has_text(message_of<ShapeError>([] {
                         zeros({2, -1});
                       }),
                       "expected no negative extent"));
  EXPECT_TRUE(has_text(message_of<ShapeError>([] {
                         tensor(std::vector<float>{1, 2}, {3});
                       }),
                       "got 2 values for shape (3,), expected 3"));
  EXPECT_TRUE(has_text(message_of<ShapeError>([] {
                         zeros({1, 1, 1, 1, 1, 1, 1, 1, 1});
                       }),
                       "at most 8"));
  EXPECT_TRUE(has_text(message_of<ValueError>([] { bernoulli({2}, 1.5); }),
                       "got p = 1.5, expected a probability in [0, 1]"));
  EXPECT_TRUE(has_text(message_of<ValueError>([] { one_hot(tensor({3}), 3); }),
                       "got label 3 at position 0, expected one in [0, 3)"));
}

TEST(Views, ShareStorage) {
  const Tensor t = arange(0, 24, 1, kFloat32).reshape({2, 3, 4});
  for (const Tensor& v :
       {t.reshape({6, 4}), t.flatten(), t.transpose(0, 2), t.permute({1, 2, 0}), t.unsqueeze(1),
        t.expand({5, 2, 3, 4}), t.slice(2, 1, 4, 2), t.select(1, 2), t.narrow(0, 1, 1), t[1]})
    EXPECT_TRUE(v.shares_storage(t)) << v.shape();
  EXPECT_FALSE(t.transpose(0, 2).reshape({24}).shares_storage(t));
  EXPECT_FALSE(t.clone().shares_storage(t));
}

TEST(Views, HaveTheRightValues) {
  const Tensor t = arange(12).reshape({3, 4});
  EXPECT_EQ(t.t().to_vector(), (Doubles{0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11}));
  EXPECT_EQ(t.slice(1, 0, 4, 3).to_vector(), (Doubles{0, 3, 4, 7, 8, 11}));
  EXPECT_EQ(t.slice(0, -1).to_vector(), (Doubles{8, 9, 10, 11}));
  EXPECT_EQ(t.slice(0, 5).numel(), 0);
  EXPECT_EQ(t[-1][-1].item(), 11);
  EXPECT_EQ(t.t().reshape({2, 6}).to_vector(), (Doubles{0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11}));
  EXPECT_EQ(t.unsqueeze(0).squeeze().shape(), (Shape{3, 4}));
  EXPECT_EQ(t.reshape({2, -1}).shape(), (Shape{2, 6}));
}

// Compares reshape() and view() with plain copying, for random layouts.
TEST(Views, ReshapeAgreesWithCopyingForEveryLayout) {
  Generator generator(11);
  SCOPED_TRACE("seed 11");
  const std::vector<Shape> shapes{{24},      {2, 12},      {4, 6},  {2, 3, 4},   {1, 24},
                                  {3, 1, 8}, {2, 2, 2, 3}, {24, 1}, {4, 3, 2, 1}};
  for (int trial = 0; trial < 400; ++trial) {
    const Shape from = shapes[generator.below(shapes.size())],
                to = shapes[generator.below(shapes.size())];
    Tensor t = arange(24).reshape(from);
    if (t.dim() > 1)
      t = t.transpose(
          static_cast<std::int64_t>(generator.below(static_cast<std::uint64_t>(t.dim()))), -1);
    if (generator.below(2) == 0) t = stack({t, t}, t.dim()).select(t.dim(), 0);
    const Tensor plain = tensor(t.to_vector<std::int64_t>(), to);
    ASSERT_EQ(t.reshape(to).to_vector(), plain.to_vector())
        << t.shape() << " " << t.strides() << " to " << to;
  }
}

TEST(Views, RefuseWhatDoesNotFit) {
  const Tensor t = zeros({2, 3});
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] {
                         t.reshape({4, -1});
                       }),
                       "[reshape] got (2, 3) to be seen as (4, -1), expected 6 elements"));
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] { t.t().view({6}); }),
                       "Hint: use reshape(), which copies"));
  EXPECT_TRUE(
      has_text(message_of<ValueError>([&] { t.transpose(0, 2); }),
               "[transpose] got dimension 2, expected one in [-2, 1] for a tensor of rank 2"));
  EXPECT_TRUE(
      has_text(message_of<ValueError>([&] { t[2]; }),
               "[select] got index 2 for dimension 0 of shape (2, 3), expected one in [-2, 1]"));
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] {
                         t.expand({3, 3});
                       }),
                       "expected only extents of 1 to change"));
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { t.permute({0, 0}); }), "dimension 0 twice"));
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { t.narrow(1, 2, 2); }),
                       "expected a range within [0, 3]"));
}

TEST(Operators, NameWhatDoesNotBroadcast) {
  EXPECT_EQ(message_of<ShapeError>([] {
              zeros({2, 3}) + zeros({4});
            }),
            "[add] got (2, 3) and (4,), expected shapes that broadcast (3 != 4). Hint: extents are "
            "compared from the last one "
            "back; each pair must be equal or hold a 1");
  EXPECT_TRUE(has_text(
      message_of<ShapeError>([] {
        matmul(zeros({2, 3}), zeros({4, 5}));
      }),
      "[matmul] got (2, 3) and (4, 5), expected inner dimensions to agree (3 != 4). Hint: "));
}

TEST(Operators, TakeEmptyTensors) {
  const Tensor e = zeros({0, 3}).requires_grad_();
  const std::vector<std::function<Tensor()>> all{[&] { return e + e; },
                                                 [&] { return e * 2; },
                                                 [&] { return e + zeros({3}); },
                                                 [&] { return exp(e); },
                                                 [&] { return relu(e); },
                                                 [&] { return sum(e); },
                                                 [&] { return sum(e, {0}); },
                                                 [&] { return sum(e, {1}); },
                                                 [&] {
                                                   return matmul(e, zeros({3, 2}));
                                                 },
                                                 [&] {
                                                   return matmul(e.t(), zeros({0, 2}));
                                                 },
                                                 [&] { return softmax(e, 1); },
                                                 [&] { return log_softmax(e, 0); },
                                                 [&] { return cumsum(e, 0); },
                                                 [&] {
                                                   return cat({e, ones({1, 3})});
                                                 },
                                                 [&] { return e.slice(0, 0, 0); },
                                                 [&] { return e.t(); },
                                                 [&] {
                                                   return e.reshape({3, 0});
                                                 },
                                                 [&] { return where(e > 0, e, 0.0); },
                                                 [&] { return prod(e, {0}); },
                                                 [&] {
                                                   return e.index_select(1, tensor({0, 2}));
                                                 },
                                                 [&] {
                                                   return linear(e, zeros({2, 3}), zeros({2}));
                                                 },
                                                 [&] { return norm(e); },
                                                 [&] { return maximum(e, 1.0); },
                                                 [&] { return clamp(e, 0, 1); },
                                                 [&] {
                                                   return einsum("ij,kj->ik", {e, ones({2, 3})});
                                                 }};
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Tensor y = all[i]();
    ASSERT_TRUE(y.defined()) << i;
    if (y.requires_grad()) sum(y).backward();
  }
  EXPECT_EQ(sum(e).item(), 0);
  EXPECT_EQ(prod(e).item(), 1);
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] { max(e); }),
                       "[max] got shape (0, 3), expected elements along dimension 0"));
}

TEST(Indexing, ChecksEveryIndex) {
  const Tensor t = zeros({3, 2});
  EXPECT_TRUE(has_text(message_of<ValueError>([&] {
                         t.index_select(0, tensor({0, 3}));
                       }),
                       "[index_select] got index 3 at position 1, expected one in [0, 3)"));
  EXPECT_TRUE(
      has_text(message_of<ValueError>([&] { t.gather(1, tensor({{-1}})); }), "got index -1"));
  EXPECT_TRUE(has_text(message_of<DTypeError>([&] { t.index_select(0, tensor({0.0})); }),
                       "got an index of dtype float32, expected int64"));
}

TEST(Values, AreReadInTheirOwnType) {
  EXPECT_TRUE(has_text(message_of<DTypeError>([] { zeros({2}).data_ptr<double>(); }),
                       "got float64, expected the tensor's own type, float32"));
  EXPECT_TRUE(has_text(message_of<ShapeError>([] { zeros({2}).item(); }),
                       "[item] got shape (2,), expected one element"));
  EXPECT_TRUE(
      has_text(message_of<ValueError>([] { Tensor().shape(); }), "got an undefined tensor"));
  EXPECT_EQ(tensor({7}).item<int>(), 7);
}

TEST(Printing, ShowsShapeTypeAndGradient) {
  std::ostringstream out;
  out << tensor({{1.0, 2.5}, {-3.0, 4.0}}).requires_grad_();
  EXPECT_EQ(out.str(), "[[1, 2.5],\n [-3, 4]]\nTensor(2, 2) float32 requires_grad");
  EXPECT_EQ(tensor(5).to_string(), "5 Tensor() int64");
  EXPECT_EQ(zeros({0}).to_string(), "[] Tensor(0,) float32");
  EXPECT_TRUE(
      has_text(arange(2000).to_string(), "[0, 1, 2, …, 1997, 1998, 1999] Tensor(2000,) int64"));
  EXPECT_EQ(Tensor().to_string(), "Tensor(undefined)");
}

TEST(InPlace, WritesThroughViewsAndConverts) {
  const Tensor t = zeros({2, 3});
  t.select(1, 1).fill_(4);
  t[0].add_(1);
  EXPECT_EQ(t.to_vector(), (Doubles{1, 5, 1, 0, 4, 0}));
  t.copy_(tensor({1, 2, 3}));
  EXPECT_EQ(t.to_vector(), (Doubles{1, 2, 3, 1, 2, 3}));
  const Tensor s = arange(0, 6, 1, kFloat32);
  s.slice(0, 1).copy_(s.slice(0, 0, 5));  // overlapping
  EXPECT_EQ(s.to_vector(), (Doubles{0, 0, 1, 2, 3, 4}));
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] {
                         zeros({3}).add_(zeros({2, 3}));
                       }),
                       "expected a result of the first shape"));
  EXPECT_TRUE(has_text(message_of<DTypeError>([&] { zeros({3}, kInt64).add_(0.5); }),
                       "got a result of float32 for a tensor of int64"));
}

TEST(InPlace, TakesEmptyTensors) {
  EXPECT_EQ(zeros({1, 0}).expand({3, 0}).add_(1).numel(), 0);
  EXPECT_EQ(zeros({0}).fill_(2).numel(), 0);
}

}  // namespace
}  // namespace descent

// A tensor's memory for others: spans, DLPack, and messages for a program's own logger.
#include <descent/core/dlpack.h>
#include <descent/descent.h>
#include "tests/support/errors.h"

#include <cmath>
#include <numeric>

namespace descent {
namespace {

using testing::has_text;
using testing::message_of;
using Doubles = std::vector<double>;

TEST(Span, IsTheMemoryOfATensor) {
  const Tensor t = zeros({2, 3});
  const std::span<float> all = span_of<float>(t);
  std::iota(all.begin(), all.end(), 1.0F);
  EXPECT_EQ(t.to_vector(), (Doubles{1, 2, 3, 4, 5, 6}));
  EXPECT_TRUE(has_text(message_of<ShapeError>([&] { span_of<float>(t.t()); }),
                       "[span_of] got a tensor of shape (3, 2) and strides (1, 3), expected a "
                       "contiguous one"));
  EXPECT_TRUE(has_text(message_of<DTypeError>([&] { span_of<double>(t); }), "float32"));
}

#if defined(__SANITIZE_ADDRESS__) || !defined(NDEBUG)
TEST(Span, ThatOutlivedItsTensorIsNoticed) {
  const auto read = [] {
    std::span<float> view;
    {
      const Tensor t = ones({100});
      view = span_of<float>(t);
    }
    const volatile float value = view[50];  // so that the compiler reads it
    return value;
  };
#if defined(__SANITIZE_ADDRESS__)
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_DEATH((void)read(), "use-after-poison");
#else
  EXPECT_TRUE(std::isnan(read()));
#endif
}
#endif

TEST(DLPack, GoesOutAndComesBack) {
  for (const DType dtype : {kFloat32, kFloat64, kInt64, kBool}) {
    const Tensor t = arange(6).reshape({2, 3}).to(dtype).t();
    dlpack::ManagedTensor* const m = to_dlpack(t);
    EXPECT_EQ(m->dl_tensor.ndim, 2);
    EXPECT_EQ(m->dl_tensor.strides[0], 1);
    const Tensor back = from_dlpack(m);
    EXPECT_EQ(back.dtype(), dtype);
    EXPECT_EQ(back.to_vector(), t.to_vector());
    EXPECT_EQ(back.raw(), t.raw());
    if (dtype == kFloat32) {
      back.add_(1);
      EXPECT_EQ(t[0][0].item(), 1);
    }
  }
  const Tensor w = ones({2}).requires_grad_();
  EXPECT_TRUE(has_text(message_of<GraphError>([&] { to_dlpack(w); }), "Hint: detach()"));
  EXPECT_EQ(from_dlpack(to_dlpack(zeros({0, 3}))).shape(), Shape({0, 3}));
  EXPECT_EQ(from_dlpack(to_dlpack(tensor(2.5))).item(), 2.5);
}

TEST(DLPack, CallsTheDeleterOnceAndRefusesWhatItCannotHold) {
  static int deleted;
  deleted = 0;
  float data[] = {1, 2, 3, 4};
  std::int64_t shape[] = {2}, strides[] = {2};
  dlpack::ManagedTensor m{{data, {1, 0}, 1, {2, 32, 1}, shape, strides, sizeof(float)},
                          nullptr,
                          [](dlpack::ManagedTensor*) { ++deleted; }};
  {
    const Tensor view = from_dlpack(&m)[1];
    EXPECT_EQ(view.item(), 4);
    EXPECT_EQ(deleted, 0);
  }
  EXPECT_EQ(deleted, 1);
  m.dl_tensor.dtype.bits = 16;
  EXPECT_TRUE(has_text(message_of<DTypeError>([&] { from_dlpack(&m); }),
                       "got elements of code 2 with 16 bits"));
  m.dl_tensor.dtype.bits = 32;
  m.dl_tensor.device.device_type = 2;
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { from_dlpack(&m); }), "device type 2"));
  m.dl_tensor.device.device_type = 1;
  strides[0] = -1;
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { from_dlpack(&m); }), "none below 0"));
  strides[0] = 2;
  m.dl_tensor.data = nullptr;
  EXPECT_TRUE(has_text(message_of<ValueError>([&] { from_dlpack(&m); }),
                       "got a null pointer for shape (2,)"));
  shape[0] = -4;
  EXPECT_THROW(from_dlpack(&m), ShapeError);
  EXPECT_TRUE(has_text(message_of<ValueError>([] { from_dlpack(nullptr); }), "null pointer"));
  EXPECT_EQ(deleted, 1) << "what was refused stays the caller's";
}

TEST(Logging, GoesToAProgramsOwnSink) {
  std::vector<std::string> heard;
  logging::set_sink([&](logging::Level level, std::string_view text) {
    heard.push_back(to_text(level == logging::Level::warning ? "warning: " : "other: ", text));
  });
  logging::warning("watch out");
  logging::debug("not at this level");
  logging::set_sink({});
  EXPECT_EQ(heard, std::vector<std::string>{"warning: watch out"});
}

}  // namespace
}  // namespace descent

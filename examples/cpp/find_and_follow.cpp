// Finds an object in a picture, or follows it through a video, with ONNX Runtime alone.
//
//     find_and_follow BUNDLE FRAME X,Y,W,H PICTURE
//     find_and_follow BUNDLE VIDEO X,Y,W,H
//
// The bundle holds encode.onnx and find.onnx (qatm-export --find). It is the same program as
// examples/find_and_follow.py and prints the same lines: number, found or not, score, and x, y,
// width and height in pixels. docs/graphs.md says what goes into the graphs and what comes out.
// Exit status: 0 if the object was found in the (last) picture, 1 if not, 2 if it cannot be read.

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <onnxruntime_cxx_api.h>
#include <opencv2/core.hpp>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/videoio.hpp>

using Box = std::array<double, 4>;  // x, y, width, height in pixels

struct Found { bool found; double score; Box box; };
struct Part { int left, top, right, bottom; };

// One ONNX file.
class Graph {
public:
    Graph(Ort::Env& env, const std::string& path)
        : session_(env, path.c_str(), Ort::SessionOptions{}) {
        Ort::AllocatorWithDefaultOptions allocator;
        for (size_t i = 0; i < session_.GetOutputCount(); ++i) {
            outputs.push_back(session_.GetOutputNameAllocated(i, allocator).get());
        }
    }

    // Values of inputs by name in, values of all outputs out, in their order.
    std::vector<Ort::Value> run(const std::vector<std::string>& names,
                                const std::vector<Ort::Value>& values) {
        const auto given = pointers(names), wanted = pointers(outputs);
        return session_.Run(Ort::RunOptions{nullptr}, given.data(), values.data(), values.size(),
                            wanted.data(), wanted.size());
    }

    // Where an output stands.
    size_t index(const std::string& name) const {
        const auto place = std::find(outputs.begin(), outputs.end(), name);
        if (place == outputs.end()) throw std::runtime_error("the graph has no output " + name);
        return static_cast<size_t>(place - outputs.begin());
    }

    std::vector<std::string> outputs;

private:
    static std::vector<const char*> pointers(const std::vector<std::string>& names) {
        std::vector<const char*> found;
        for (const auto& name : names) found.push_back(name.c_str());
        return found;
    }

    Ort::Session session_;
};

// A tensor over memory that has to outlive it.
template <typename T>
Ort::Value tensor(T* data, size_t count, const std::vector<int64_t>& shape) {
    static const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
    return Ort::Value::CreateTensor<T>(memory, data, count, shape.data(), shape.size());
}

// A picture in one piece as (height, width, 3) bytes.
Ort::Value picture_tensor(cv::Mat& picture) {
    return tensor(picture.data, picture.total() * 3, {picture.rows, picture.cols, 3});
}

// An object that was encoded, and the graph that looks for it.
class Finder {
public:
    Finder(Ort::Env& env, const std::string& folder, cv::Mat frame, const Box& box)
        : find_(env, folder + "/find.onnx"), names_{"image"} {
        Graph encode(env, folder + "/encode.onnx");
        std::array<float, 4> sides;
        std::transform(box.begin(), box.end(), sides.begin(),
                       [](double side) { return static_cast<float>(side); });
        std::vector<Ort::Value> given;
        given.push_back(picture_tensor(frame));
        given.push_back(tensor(sides.data(), sides.size(), {4}));
        auto values = encode.run({"image", "box"}, given);
        const float* numbers = values[encode.index("numbers")].GetTensorData<float>();
        width_ = numbers[0], height_ = numbers[1];
        inputs_.emplace_back(nullptr);  // the place of the image
        for (size_t i = 0; i < values.size(); ++i) {
            names_.push_back(encode.outputs[i]);
            inputs_.push_back(std::move(values[i]));
        }
    }

    Found find(const cv::Mat& frame, const Part& part) {
        if (part.right - part.left < width_ || part.bottom - part.top < height_) {
            throw std::runtime_error("the picture is smaller than the object");
        }
        cv::Mat image = frame(cv::Rect(part.left, part.top, part.right - part.left,
                                       part.bottom - part.top)).clone();
        inputs_[0] = picture_tensor(image);
        const auto seen = find_.run(names_, inputs_);
        const float* box = seen[find_.index("box")].GetTensorData<float>();
        return {seen[find_.index("found")].GetTensorData<bool>()[0],
                seen[find_.index("score")].GetTensorData<float>()[0],
                {box[0] + static_cast<double>(part.left), box[1] + static_cast<double>(part.top),
                 box[2], box[3]}};
    }

    // Around the last box, and in the whole frame where it is not there.
    Found follow(const cv::Mat& frame, const Found& last) {
        const auto [x, y, w, h] = last.box;
        const double reach = std::max(w, h);
        const Part part{std::max(0, static_cast<int>(std::floor(x - reach))),
                        std::max(0, static_cast<int>(std::floor(y - reach))),
                        std::min(frame.cols, static_cast<int>(std::ceil(x + w + reach))),
                        std::min(frame.rows, static_cast<int>(std::ceil(y + h + reach)))};
        if (last.found && part.right - part.left >= width_ && part.bottom - part.top >= height_) {
            const Found near = find(frame, part);
            if (near.found) return near;
        }
        return find(frame, {0, 0, frame.cols, frame.rows});
    }

private:
    Graph find_;
    std::vector<std::string> names_;
    std::vector<Ort::Value> inputs_;
    float width_ = 0, height_ = 0;
};

// Whether an object can be shown in a box: it may stick out of the frame.
bool overlaps(const Box& box, const cv::Mat& frame) {
    const auto [x, y, w, h] = box;
    return w > 0 && h > 0 && w <= frame.cols && h <= frame.rows && x < frame.cols && y < frame.rows &&
           x + w > 0 && y + h > 0;
}

void tell(int number, const Found& seen) {
    const auto& box = seen.box;
    std::printf("%d %d %.4f %.3f %.3f %.3f %.3f\n", number, seen.found ? 1 : 0, seen.score, box[0],
                box[1], box[2], box[3]);
}

int run(const std::vector<std::string>& arguments) {
    Box box;
    char more;
    const bool right = arguments.size() == 3 || arguments.size() == 4;
    if (!right || std::sscanf(arguments[2].c_str(), "%lf,%lf,%lf,%lf%c", &box[0], &box[1], &box[2],
                              &box[3], &more) != 4) {
        throw std::runtime_error("usage: find_and_follow BUNDLE FRAME_OR_VIDEO X,Y,W,H [PICTURE]");
    }
    cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
    cv::VideoCapture video(arguments[1]);  // a picture is a video of one frame
    cv::Mat frame;
    if (!video.read(frame)) throw std::runtime_error(arguments[1] + " cannot be read");
    if (!overlaps(box, frame)) {
        throw std::runtime_error("box " + arguments[2] + " does not lie in the frame of " +
                                 std::to_string(frame.cols) + "x" + std::to_string(frame.rows));
    }
    Ort::Env env(ORT_LOGGING_LEVEL_FATAL, "find_and_follow");  // errors are thrown
    Finder finder(env, arguments[0], frame.clone(), box);
    Found seen{true, 1.0, box};
    if (arguments.size() == 4) {
        const cv::Mat picture = cv::imread(arguments[3]);
        if (picture.empty()) throw std::runtime_error(arguments[3] + " cannot be read");
        seen = finder.find(picture, {0, 0, picture.cols, picture.rows});
        tell(0, seen);
        return seen.found ? 0 : 1;
    }
    tell(0, seen);
    for (int number = 1; video.read(frame); ++number) {
        seen = finder.follow(frame, seen);
        tell(number, seen);
    }
    return seen.found ? 0 : 1;
}

int main(int count, char** values) {
    try {
        return run({values + 1, values + count});
    } catch (const std::exception& error) {
        std::fprintf(stderr, "error: %s\n", error.what());
        return 2;
    }
}

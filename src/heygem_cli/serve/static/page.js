// The language: the one that was chosen here, else the browser's. Gradio asks navigator for it, the server the cookie.
const heygemLanguage = (() => {
    const saved = document.cookie.match(/(?:^|; )heygem-language=([^;]*)/)
    const wanted = saved ? saved[1] : navigator.language
    const chosen = wanted.toLowerCase().startsWith('zh') ? 'zh-CN' : 'en'
    const keep = (language) => {
        document.cookie = `heygem-language=${language}; path=/; max-age=31536000; samesite=lax`
    }
    Object.defineProperty(navigator, 'language', {get: () => chosen})
    Object.defineProperty(navigator, 'languages', {get: () => [chosen]})
    document.documentElement.lang = chosen
    return {
        change() {
            keep(chosen === 'en' ? 'zh-CN' : 'en')
            window.location.reload()
        },
    }
})()

// What Gradio does not say to screen readers: the question of a group of choices, and which texts change by themselves.
new MutationObserver(() => {
    for (const id of ['job-status', 'people-said', 'error']) {
        document.getElementById(id)?.setAttribute('aria-live', 'polite')
    }
    for (const group of document.querySelectorAll('fieldset:not([aria-label])')) {
        const question = group.querySelector('[data-testid="block-info"]')
        if (question) group.setAttribute('aria-label', question.textContent)
    }
}).observe(document.documentElement, {childList: true, subtree: true})
